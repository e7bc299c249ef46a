// create, write, copy_file_range, fallocate: changes of content.
#include "operations.hpp"

namespace imapfs::fuse {
namespace {

Error read_only() { return {EROFS, Scope::request, Retry::never, "this version is read-only"}; }

}  // namespace

void operation_create(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  serve(raw, "create", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->create(
        request->caller(), request->node(), name, mode,
        [filesystem = context.filesystem, request, reply = *file](const Result<vfs::CreateResult>& result) mutable {
          if (!result) {
            request->fail(result.error());
            return;
          }
          apply(result->open, reply);
          const auto entry = to_entry(result->entry);
          const bool taken =
              request->succeed([&](fuse_req_t kernel) { return fuse_reply_create(kernel, &entry, &reply); });
          if (!taken)
            filesystem->release(result->entry.node, result->open.handle);
        });
  });
}

void operation_write(fuse_req_t raw, fuse_ino_t node, const char* data, std::size_t size, off_t offset,
                     fuse_file_info* file) {
  serve(raw, "write", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->write(request->caller(),
                              {.node = request->node(),
                               .handle = file->fh,
                               .offset = static_cast<std::uint64_t>(offset),
                               .data = std::string(data, size)},
                              answer<std::size_t>(request, [](fuse_req_t kernel, std::size_t count) {
                                return fuse_reply_write(kernel, count);
                              }));
  });
}

void operation_copy_file_range(fuse_req_t raw, fuse_ino_t source, off_t, fuse_file_info*, fuse_ino_t, off_t,
                               fuse_file_info*, std::size_t, int) {
  serve(raw, "copy_file_range", source, {},
        [](OperationContext&, const std::shared_ptr<Request>& request) { request->fail(read_only()); });
}

void operation_fallocate(fuse_req_t raw, fuse_ino_t node, int, off_t, off_t, fuse_file_info*) {
  serve(raw, "fallocate", node, {},
        [](OperationContext&, const std::shared_ptr<Request>& request) { request->fail(read_only()); });
}

}  // namespace imapfs::fuse
