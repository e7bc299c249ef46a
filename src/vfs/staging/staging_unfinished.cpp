// Files that are closed before they are whole. Restore tools write the parts of a file in any order, from several
// threads, and close it in between; what is missing is known from what was written and for what room was made, not from
// the content.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/staging_implementation.hpp"
#include "vfs/staging/staging_inspection.hpp"

namespace imapfs::vfs {

/// Why the file is not whole: octets before its end that nobody has written.
std::optional<Error> Staging::Implementation::missing_octets(const File& file) {
  std::optional<std::uint64_t> hole;
  if (file.content) hole = file.content->first_hole();
  if (!file.content && file.written) hole = file.written->first_hole(file.source_size);
  if (!hole) return std::nullopt;
  return Error{EINVAL, Scope::message, Retry::never,
               fmt::format("not an Internet message: what begins at octet {} was never written", *hole)};
}

/// Whether a flush by `handle` may come before the rest of the file.
bool Staging::Implementation::expects_more(File& file, HandleId handle) {
  if (!file.dirty || file.failed || file.size() == 0) return false;
  if (missing_octets(file) || file.size() < file.reserved) return true;
  const bool others_write = std::any_of(file.handles.begin(), file.handles.end(), [&](const auto& other) {
    return other.first != handle && other.second.writes;
  });
  if (!others_write || !open_content(file)) return false;
  const auto inspected = inspect(*file.content);
  return !inspected && inspected.error().errnum == EINVAL;
}

/// What is in the file was written by others, who still have it open.
bool Staging::Implementation::is_others_work(const File& file, HandleId handle) {
  const auto own = file.handles.find(handle);
  if (own == file.handles.end() || own->second.wrote) return false;
  return std::any_of(file.handles.begin(), file.handles.end(), [](const auto& other) { return other.second.wrote; });
}

/// Closed, and its rest is missing: nobody is about to write it.
std::optional<Error> Staging::Implementation::left_unfinished(const File& file) const {
  if (!file.dirty || !file.handles.empty() || file.busy || file.reported || file.size() == 0) return std::nullopt;
  if (has_temporary_name(file)) return std::nullopt;
  auto missing = missing_octets(file);
  if (!missing) return std::nullopt;
  return std::move(*missing).while_doing(path_of(file));
}

void Staging::Implementation::reserve(NodeId node, std::uint64_t size, const Reply<void>& reply) {
  const auto file = find(node);
  if (file) file->reserved = std::max(file->reserved, size);
  reply({});
}

/// Nobody has it open, and it is not whole: whoever writes the rest opens it by its name, which it keeps meanwhile. A
/// descriptor per file that waits would be too many.
void Staging::Implementation::await_rest(const FilePtr& file) {
  if (file->content) {
    file->written = file->content->written();
    file->source_size = file->content->size();
    file->source = {};
    file->content.reset();
  }
  if (const auto missing = missing_octets(*file)) fail_settling(file->node, *missing);
  later(around_.settings.rest_patience, [this, node = file->node, changed = file->changed] {
    const auto waiting = find(node);
    if (waiting && waiting->changed == changed) give_up_rest(waiting);
  });
}

/// The rest has not come. What has no end is not sent; where only room was made for more, that was too much room.
void Staging::Implementation::give_up_rest(const FilePtr& file) {
  if (!file->handles.empty() || file->busy || !file->dirty || file->nameless) return;
  file->reserved = 0;
  const auto missing = missing_octets(*file);
  if (!missing) return last_release(file);
  report_failure(file, destination_of(*file), *missing);
  fail_settling(file->node, *missing);
  to_outbox(file);
}

}  // namespace imapfs::vfs
