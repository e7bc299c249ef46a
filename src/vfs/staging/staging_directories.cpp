// Local directories in the journal: a row each, without octets, whose name ends in a slash. Of them and of files in
// them the row names the mailbox at the top and the path from there (".old/2026/").

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t most_levels = 64;

LocalEntry directory_entry(MailboxId parent, const std::string& name, const store::StagedFile& row) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::directory;
  entry.node = mailbox_node(local_directory(static_cast<std::uint32_t>(row.id.value)));
  entry.mailbox = parent;
  entry.name = entry.meta.file_name = name;
  entry.meta.internal_date = row.changed_at;
  return entry;
}

MailboxId id_of(const LocalEntry& directory) { return decode_node(directory.node)->mailbox; }

/// The mailbox that a row names; 0 is the root.
std::optional<MailboxId> mailbox_at_top(const sync::MailboxTree& tree, const std::string& server_name) {
  if (server_name.empty()) return MailboxId{0};
  for (const auto& [id, node] : tree.nodes()) {
    if (node.name == server_name) return id;
  }
  return std::nullopt;
}

}  // namespace

bool Staging::Implementation::is_in_directory(const store::StagedFile& row) {
  return row.name.find('/') != std::string::npos;
}

void Staging::Implementation::set_place(store::StagedFile& row, MailboxId mailbox, const std::string& name) const {
  row.name = name;
  for (std::size_t level = 0; is_local_directory(mailbox) && level < most_levels; ++level) {
    const auto directory = around_.entries.find(mailbox_node(mailbox));
    if (!directory) break;
    row.name = directory->name + "/" + row.name;
    mailbox = directory->mailbox;
  }
  row.mailbox = server_name(mailbox);
}

void Staging::Implementation::make_directory(MailboxId parent, const std::string& name, const Reply<Entry>& reply) {
  store::StagedFile row;
  set_place(row, parent, name + "/");
  row.changed_at = now().seconds;
  const auto levels = static_cast<std::size_t>(std::count(row.name.begin(), row.name.end(), '/'));
  if (levels > most_levels) return reply(fail(ENAMETOOLONG, "too many local directories in each other"));
  if (auto staged = around_.journal->stage(row); !staged) return reply(fail(std::move(staged).error()));
  const auto entry = directory_entry(parent, name, row);
  const bool fits = row.id.value < local_directory_ids;
  if (fits && around_.entries.add(entry)) return reply(local_directory_entry(around_.settings, entry));
  (void)around_.journal->unstage(row.id);
  if (!fits) return reply(fail(ENOSPC, "no number is left for a local directory"));
  reply(fail(EEXIST, "the name is taken"));
}

void Staging::Implementation::remove_directory(NodeId node, const Reply<void>& reply) {
  const auto directory = around_.entries.find(node);
  if (!directory) return reply(fail(ENOENT, "no such directory"));
  if (!around_.entries.empty(id_of(*directory))) return reply(fail(ENOTEMPTY, "the directory is not empty"));
  around_.entries.remove(node);
  reply(around_.journal->unstage(store::StagedId{decode_node(node)->index}));
}

void Staging::Implementation::rename_directory(NodeId node, MailboxId parent, const std::string& name,
                                               const Reply<void>& reply) {
  const auto directory = around_.entries.find(node);
  if (!directory) return reply(fail(ENOENT, "no such directory"));
  if (is_within(around_.entries, parent, id_of(*directory))) {
    return reply(fail(EINVAL, "a directory cannot be moved into itself"));
  }
  const auto present = around_.entries.find(parent, name);
  if (present && present->node == node) return reply({});
  if (present) {
    if (present->kind != LocalEntry::Kind::directory) return reply(fail(ENOTDIR, "not a directory"));
    Result<void> removed;
    remove_directory(present->node, [&removed](Result<void> result) { removed = std::move(result); });
    if (!removed) return reply(std::move(removed));
  }
  around_.entries.rename(node, parent, name);
  reply(write_place(*around_.entries.find(node)));
}

/// Of a directory or file that is elsewhere now, and of all below it. Who dies in between finds some of them in the
/// outbox.
Result<void> Staging::Implementation::write_place(const LocalEntry& entry) {
  if (entry.kind == LocalEntry::Kind::directory) {
    store::StagedFile row;
    row.id = store::StagedId{decode_node(entry.node)->index};
    row.changed_at = entry.meta.internal_date;
    set_place(row, entry.mailbox, entry.name + "/");
    IMAPFS_TRY(around_.journal->update(row));
    for (const auto& inside : around_.entries.list(id_of(entry), 0, SIZE_MAX)) IMAPFS_TRY(write_place(inside));
    return {};
  }
  const auto file = find(entry.node);
  if (!file || !file->has_row()) return {};
  auto row = file->row;
  set_place(row, entry.mailbox, entry.name);
  IMAPFS_TRY(around_.journal->update(row));
  file->row = std::move(row);
  return {};
}

/// The directory that a path in a row names, and the name in it; nothing where it is not there any more.
std::optional<std::pair<MailboxId, std::string>> Staging::Implementation::find_place(
    const store::StagedFile& row) const {
  auto at = mailbox_at_top(*around_.account.tree(), row.mailbox);
  auto rest = row.name;
  if (rest.ends_with('/')) rest.pop_back();
  for (auto slash = rest.find('/'); at && slash != std::string::npos; slash = rest.find('/')) {
    const auto directory = around_.entries.find(*at, rest.substr(0, slash));
    const bool is = directory && directory->kind == LocalEntry::Kind::directory;
    at = is ? std::optional(id_of(*directory)) : std::nullopt;
    rest.erase(0, slash + 1);
  }
  if (!at || rest.empty()) return std::nullopt;
  return std::pair(*at, rest);
}

/// Takes the rows of directories out of `rows`.
void Staging::Implementation::recover_directories(std::vector<store::StagedFile>& rows) {
  std::vector<store::StagedFile> directories;
  for (const auto& row : rows)
    if (row.name.ends_with('/')) directories.push_back(row);
  std::erase_if(rows, [](const auto& row) { return row.name.ends_with('/'); });
  // Those above first.
  std::stable_sort(directories.begin(), directories.end(),
                   [](const auto& left, const auto& right) { return left.name.size() < right.name.size(); });
  for (const auto& row : directories) {
    // One that this process has made since.
    if (around_.entries.find(mailbox_node(local_directory(static_cast<std::uint32_t>(row.id.value))))) continue;
    const auto found = find_place(row);
    const bool fits = found && row.id.value < local_directory_ids;
    if (fits && around_.entries.add(directory_entry(found->first, found->second, row))) continue;
    telemetry::warning("the local directory {} of an earlier run has no place any more",
                       telemetry::printable(row.mailbox + "/" + row.name));
    (void)around_.journal->unstage(row.id);
  }
}

/// Where it was. False if its directory is gone: it has a name without one then.
bool Staging::Implementation::recover_in_directory(const FilePtr& file) {
  const auto found = find_place(file->row);
  if (found && is_local_directory(found->first) && !around_.entries.find(found->first, found->second)) {
    place(file, found->first, found->second);
    show(*file);
    return true;
  }
  file->row.name.erase(0, file->row.name.rfind('/') + 1);
  file->name = file->row.name;
  return false;
}

}  // namespace imapfs::vfs
