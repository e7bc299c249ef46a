// create, write, copy_file_range, fallocate: changes of content.
#include <fcntl.h>

#include "fuse/operations.hpp"

namespace imapfs::fuse {
namespace {

std::uint64_t unsigned_offset(off_t offset) { return static_cast<std::uint64_t>(offset); }

vfs::Reply<std::size_t> answer_count(const std::shared_ptr<Request>& request) {
  return answer<std::size_t>(request, [](fuse_req_t raw, std::size_t count) { return fuse_reply_write(raw, count); });
}

}  // namespace

void operation_create(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  serve(raw, "create", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    vfs::Reply<vfs::CreateResult> created = [filesystem = context.filesystem, request,
                                             reply = *file](const Result<vfs::CreateResult>& result) mutable {
      if (!result) {
        request->fail(result.error());
        return;
      }
      apply(result->open, reply);
      const auto entry = to_entry(result->entry);
      const bool taken = request->succeed([&](fuse_req_t kernel) { return fuse_reply_create(kernel, &entry, &reply); });
      if (!taken) filesystem->release(result->entry.node, result->open.handle);
    };
    context.filesystem->create(caller_and_process(*request), request->node(), name, mode,
                               tell_late(context, request, {{request->node(), name}}, std::move(created)));
  });
}

void operation_write(fuse_req_t raw, fuse_ino_t node, const char* data, std::size_t size, off_t offset,
                     fuse_file_info* file) {
  serve(raw, "write", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->write(request->caller(),
                              {.node = request->node(),
                               .handle = file->fh,
                               .offset = unsigned_offset(offset),
                               .data = std::string(data, size),
                               .append = (file->flags & O_APPEND) != 0},
                              tell_late(context, request, answer_count(request)));
  });
}

/// The only flags of copy_file_range(2) are reserved ones, which the kernel has refused.
void operation_copy_file_range(fuse_req_t raw, fuse_ino_t source, off_t source_offset, fuse_file_info* source_file,
                               fuse_ino_t target, off_t target_offset, fuse_file_info* target_file, std::size_t length,
                               int) {
  serve(
      raw, "copy_file_range", target, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->copy_file_range(request->caller(),
                                            {.source = vfs::NodeId{source},
                                             .source_handle = source_file->fh,
                                             .source_offset = unsigned_offset(source_offset),
                                             .target = request->node(),
                                             .target_handle = target_file->fh,
                                             .target_offset = unsigned_offset(target_offset),
                                             .length = length},
                                            tell_late(context, request, answer_count(request)));
      },
      DeadlineRule::unlimited);
}

void operation_fallocate(fuse_req_t raw, fuse_ino_t node, int mode, off_t offset, off_t length, fuse_file_info* file) {
  serve(raw, "fallocate", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->fallocate(request->caller(), request->node(), file->fh, mode, unsigned_offset(offset),
                                  unsigned_offset(length), tell_late(context, request, answer_nothing(request)));
  });
}

}  // namespace imapfs::fuse
