// statfs: df.
#include <sys/statvfs.h>

#include "fuse/operations.hpp"

namespace imapfs::fuse {

void operation_statfs(fuse_req_t raw, fuse_ino_t node) {
  serve(raw, "statfs", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->statfs(request->caller(),
                               answer<vfs::StatFs>(request, [](fuse_req_t kernel, const vfs::StatFs& usage) {
                                 struct statvfs out {};
                                 out.f_bsize = out.f_frsize = usage.block_size;
                                 out.f_blocks = usage.blocks;
                                 out.f_bfree = out.f_bavail = usage.blocks_free;
                                 out.f_namemax = usage.name_max;
                                 return fuse_reply_statfs(kernel, &out);
                               }));
  });
}

}  // namespace imapfs::fuse
