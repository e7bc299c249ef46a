#pragma once
// Directories that are here only: those with temporary or hidden names (is_temporary_name), and all below them. Tools
// put files there that are no messages yet or any more (rsync --delay-updates, --backup-dir, .stfolder). They are local
// entries of kind directory; what is in them are staged files, which are never uploaded as long as they are there.
//
// /.Trash-UID is where file managers put what is deleted: where the account has a \Trash mailbox, the directory "files"
// in it shows that mailbox, and what is moved there is moved to it. "info" holds the file manager's own notes.
//
// Pure functions of the account's and LocalEntries' memory, any thread.

#include <optional>
#include <string>
#include <string_view>

#include "imapfs/sync/mailbox_reader.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/nodes/local_entries.hpp"

namespace imapfs::vfs {

[[nodiscard]] Entry local_directory_entry(const Settings& settings, const LocalEntry& directory);

/// Whether a file of that name in that directory is never uploaded.
[[nodiscard]] bool stays_local(MailboxId directory, std::string_view name);
/// Whether a directory of that name in that one is local.
[[nodiscard]] bool directory_stays_local(MailboxId directory, std::string_view name);

/// Whether `directory` is `other`, or below it.
[[nodiscard]] bool is_within(const LocalEntries& entries, MailboxId directory, MailboxId other);

/// "/.Trash-1000", asked for by its directory and name.
[[nodiscard]] bool is_trash_of_file_managers(MailboxId parent, std::string_view name);
/// The selectable mailbox with the special use \Trash.
[[nodiscard]] std::optional<MailboxId> trash_mailbox(const sync::MailboxTree& tree);
/// The mailbox that the local directory shows: \Trash for /.Trash-1000/files.
[[nodiscard]] std::optional<MailboxId> shown_mailbox(const sync::MailboxReader& mailboxes, const LocalEntries& entries,
                                                     MailboxId directory);
/// Whether `name` in `directory` would be a note (/.Trash-1000/info/x.eml.trashinfo) about a message that is in \Trash
/// already: file managers take another name then, and so replace nothing.
[[nodiscard]] bool is_note_of_another(const sync::MailboxReader& mailboxes, const LocalEntries& entries,
                                      MailboxId directory, std::string_view name);

}  // namespace imapfs::vfs
