// fsync, fsyncdir: until the server has everything. There is no syncfs: libfuse 3.14 has no callback for it, and the
// kernel sends FUSE_SYNCFS to virtiofs and to block devices only.
#include "fuse/operations.hpp"

namespace imapfs::fuse {

void operation_fsync(fuse_req_t raw, fuse_ino_t node, int, fuse_file_info* file) {
  serve(
      raw, "fsync", node, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->fsync(request->caller(), request->node(), file->fh, answer_nothing(request));
      },
      DeadlineRule::unlimited);
}

void operation_fsyncdir(fuse_req_t raw, fuse_ino_t node, int, fuse_file_info*) {
  serve(
      raw, "fsyncdir", node, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->fsyncdir(request->caller(), request->node(), answer_nothing(request));
      },
      DeadlineRule::while_server_talks);
}

}  // namespace imapfs::fuse
