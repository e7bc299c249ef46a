#include "vfs/staging/local_directory_rows.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/nodes/timestamps.hpp"
#include "vfs/staging/local_directories.hpp"

namespace imapfs::vfs {

namespace {

NodeId directory_node(const Outbox::Row& row) {
  return mailbox_node(local_directory(static_cast<std::uint32_t>(row.id.value)));
}

LocalEntry directory_entry(MailboxId parent, const std::string& name, const Outbox::Row& row) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::directory;
  entry.node = directory_node(row);
  entry.mailbox = parent;
  entry.name = entry.meta.file_name = name;
  entry.meta.internal_date = row.changed_at;
  return entry;
}

MailboxId id_of(const LocalEntry& directory) { return decode_node(directory.node)->mailbox; }

/// The row of a directory, without its place.
Outbox::Row row_of(const LocalEntry& directory) {
  Outbox::Row row;
  row.id.value = decode_node(directory.node)->index;
  row.changed_at = directory.meta.internal_date;
  return row;
}

}  // namespace

Result<Entry> LocalDirectoryRows::make(MailboxId parent, const std::string& name) const {
  Outbox::Row row;
  use_.places.set(row, parent, name + "/");
  row.changed_at = whole_second_now().seconds;
  const auto levels = static_cast<std::size_t>(std::count(row.name.begin(), row.name.end(), '/'));
  if (levels > FilePlaces::most_levels) return fail(ENAMETOOLONG, "too many local directories in each other");
  IMAPFS_TRY(use_.outbox.stage(row));
  const auto entry = directory_entry(parent, name, row);
  const bool fits = row.id.value < local_directory_ids;
  if (fits && use_.entries.add(entry)) return local_directory_entry(use_.settings, entry);
  (void)use_.outbox.discard(row);
  if (!fits) return fail(ENOSPC, "no number is left for a local directory");
  return fail(EEXIST, "the name is taken");
}

Result<void> LocalDirectoryRows::remove(NodeId node) const {
  const auto directory = use_.entries.find(node);
  if (!directory) return fail(ENOENT, "no such directory");
  if (!use_.entries.empty(id_of(*directory))) return fail(ENOTEMPTY, "the directory is not empty");
  use_.entries.remove(node);
  auto row = row_of(*directory);
  return use_.outbox.discard(row);
}

Result<void> LocalDirectoryRows::rename(NodeId node, MailboxId parent, const std::string& name) const {
  const auto directory = use_.entries.find(node);
  if (!directory) return fail(ENOENT, "no such directory");
  if (is_within(use_.entries, parent, id_of(*directory))) {
    return fail(EINVAL, "a directory cannot be moved into itself");
  }
  const auto present = use_.entries.find(parent, name);
  if (present && present->node == node) return {};
  if (present) {
    if (present->kind != LocalEntry::Kind::directory) return fail(ENOTDIR, "not a directory");
    IMAPFS_TRY(remove(present->node));
  }
  use_.entries.rename(node, parent, name);
  return write_place(*use_.entries.find(node));
}

/// Of a directory or file that is elsewhere now, and of all below it. Who dies in between finds some of them in the
/// outbox.
Result<void> LocalDirectoryRows::write_place(const LocalEntry& entry) const {
  if (entry.kind == LocalEntry::Kind::directory) return write_directory_place(entry);
  const auto file = use_.files.find(entry.node);
  if (!file || !file->has_row()) return {};
  auto row = file->row;
  use_.places.set(row, entry.mailbox, entry.name);
  return use_.outbox.update(file->row, std::move(row));
}

Result<void> LocalDirectoryRows::write_directory_place(const LocalEntry& directory) const {
  auto row = row_of(directory);
  use_.places.set(row, directory.mailbox, directory.name + "/");
  IMAPFS_TRY(use_.outbox.update(row, row));
  for (const auto& inside : use_.entries.list(id_of(directory), 0, SIZE_MAX)) IMAPFS_TRY(write_place(inside));
  return {};
}

void LocalDirectoryRows::recover(std::vector<Outbox::Row>& rows) const {
  const auto first = std::stable_partition(rows.begin(), rows.end(),
                                           [](const auto& row) { return !row.name.ends_with('/'); });
  std::vector<Outbox::Row> directories(first, rows.end());
  rows.erase(first, rows.end());
  // Those above first.
  std::stable_sort(directories.begin(), directories.end(),
                   [](const auto& left, const auto& right) { return left.name.size() < right.name.size(); });
  for (auto& row : directories) {
    if (recover_directory(row)) continue;
    telemetry::warning("the local directory {} of an earlier run has no place any more",
                       telemetry::printable(row.mailbox + "/" + row.name));
    (void)use_.outbox.discard(row);
  }
}

bool LocalDirectoryRows::recover_directory(const Outbox::Row& row) const {
  // One that this process has made since.
  if (use_.entries.find(directory_node(row))) return true;
  const auto found = use_.places.find(row);
  const bool fits = found && row.id.value < local_directory_ids;
  return fits && use_.entries.add(directory_entry(found->first, found->second, row));
}

}  // namespace imapfs::vfs
