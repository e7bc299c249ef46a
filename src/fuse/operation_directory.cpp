// opendir, readdir, readdirplus. There is nothing to release: libfuse answers releasedir.
#include "fuse/operations.hpp"

#include <algorithm>
#include <vector>

namespace imapfs::fuse {
namespace {

/// What an entry of a common name takes in the kernel's buffer; asking vfs for more entries than fit is wasted work.
constexpr std::size_t usual_plain_size = 24 + 40;
constexpr std::size_t usual_plus_size = 152 + 40;

std::size_t add_entry(fuse_req_t raw, char* out, std::size_t room, const vfs::DirectoryEntry& entry, bool plus) {
  const auto cookie = static_cast<off_t>(entry.cookie);
  auto parameters = to_entry(entry.entry);
  if (!plus) return fuse_add_direntry(raw, out, room, entry.name.c_str(), &parameters.attr, cookie);
  if (!entry.plus) parameters.ino = 0;  // not a lookup: costs the kernel no inode and us no FORGET
  return fuse_add_direntry_plus(raw, out, room, entry.name.c_str(), &parameters, cookie);
}

int write_page(fuse_req_t raw, const vfs::DirectoryPage& page, std::size_t size, bool plus) {
  std::vector<char> buffer(size);
  std::size_t used = 0;
  for (const auto& entry : page) {
    const auto needed = add_entry(raw, buffer.data() + used, size - used, entry, plus);
    if (needed > size - used) break;  // asked for again by its cookie
    used += needed;
  }
  return fuse_reply_buf(raw, buffer.data(), used);
}

void list(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, bool plus) {
  serve(raw, plus ? "readdirplus" : "readdir", node, {},
        [&](OperationContext& context, const std::shared_ptr<Request>& request) {
          const auto usual = plus ? usual_plus_size : usual_plain_size;
          context.filesystem->readdir(
              request->caller(),
              {.node = request->node(),
               .cookie = static_cast<std::uint64_t>(offset),
               .limit = std::clamp<std::size_t>(size / usual, 1, vfs::max_page_entries),
               .plus = plus},
              answer<vfs::DirectoryPage>(request, [size, plus](fuse_req_t kernel, const vfs::DirectoryPage& page) {
                return write_page(kernel, page, size, plus);
              }));
        });
}

}  // namespace

void operation_opendir(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file) {
  serve(raw, "opendir", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->opendir(
        request->caller(), request->node(),
        [request, reply = *file](const Result<vfs::OpenDirectoryResult>& result) mutable {
          if (!result) {
            request->fail(result.error());
            return;
          }
          reply.fh = result->handle;
          reply.cache_readdir = result->cache_readdir;
          reply.keep_cache = result->keep_cache;
          static_cast<void>(request->succeed([&](fuse_req_t kernel) { return fuse_reply_open(kernel, &reply); }));
        });
  });
}

void operation_readdir(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  list(raw, node, size, offset, false);
}

void operation_readdirplus(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  list(raw, node, size, offset, true);
}

}  // namespace imapfs::fuse
