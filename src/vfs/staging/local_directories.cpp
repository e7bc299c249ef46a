#include "vfs/staging/local_directories.hpp"

#include <algorithm>

#include "imapfs/vfs/node_id.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/staging/temporary_names.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::string_view trash_prefix = ".Trash-";
constexpr std::string_view note_suffix = ".trashinfo";

/// Whether `directory` is /.Trash-1000/`part`.
bool is_part_of_trash(const LocalEntries& entries, MailboxId directory, std::string_view part) {
  const auto entry = is_local_directory(directory) ? entries.find(mailbox_node(directory)) : std::nullopt;
  if (!entry || entry->name != part || !is_local_directory(entry->mailbox)) return false;
  const auto above = entries.find(mailbox_node(entry->mailbox));
  return above && is_trash_of_file_managers(above->mailbox, above->name);
}

}  // namespace

Entry local_directory_entry(const Settings& settings, const LocalEntry& directory) {
  Entry entry;
  entry.node = directory.node;
  entry.entry_timeout = settings.timeout;
  // Never the number of a staged file: both are ids of one journal.
  const auto inode = staged_entry(settings, directory.node, 0, {}).attributes.inode;
  entry.attributes = directory_attributes(settings, inode, 0, Timestamp{directory.meta.internal_date, 0});
  return entry;
}

bool stays_local(MailboxId directory, std::string_view name) {
  return is_local_directory(directory) || is_temporary_name(name);
}

bool directory_stays_local(MailboxId directory, std::string_view name) {
  return is_local_directory(directory) || is_temporary_directory_name(name);
}

bool is_within(const LocalEntries& entries, MailboxId directory, MailboxId other) {
  while (directory != other) {
    const auto entry = is_local_directory(directory) ? entries.find(mailbox_node(directory)) : std::nullopt;
    if (!entry) return false;
    directory = entry->mailbox;
  }
  return true;
}

bool is_trash_of_file_managers(MailboxId parent, std::string_view name) {
  if (parent.value != 0 || !name.starts_with(trash_prefix)) return false;
  name.remove_prefix(trash_prefix.size());
  return !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<MailboxId> trash_mailbox(const sync::MailboxTree& tree) {
  for (const auto& [id, node] : tree.nodes()) {
    if (node.special_use == SpecialUse::trash && node.selectable) return id;
  }
  return std::nullopt;
}

std::optional<MailboxId> shown_mailbox(const sync::MailboxReader& mailboxes, const LocalEntries& entries,
                                       MailboxId directory) {
  if (!is_part_of_trash(entries, directory, "files")) return std::nullopt;
  return trash_mailbox(*mailboxes.tree());
}

bool is_note_of_another(const sync::MailboxReader& mailboxes, const LocalEntries& entries, MailboxId directory,
                        std::string_view name) {
  if (!name.ends_with(note_suffix) || !is_part_of_trash(entries, directory, "info")) return false;
  name.remove_suffix(note_suffix.size());
  const auto trash = trash_mailbox(*mailboxes.tree());
  const auto table = trash ? mailboxes.table(*trash) : nullptr;
  return table && (table->find_by_name(name) || entries.find(*trash, std::string(name)));
}

}  // namespace imapfs::vfs
