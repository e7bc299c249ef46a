#pragma once
// What a name in a directory stands for, for operations that change names: the kernel gives them names, not nodes.
//
// Any thread. Never blocks: what memory does not know is asked of the account.

#include <string>

#include "vfs/views/view.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

struct NamedFile {
  enum class Kind : std::uint8_t {
    nothing,
    mailbox,
    directory,  ///< a local one
    fixed,      ///< a hidden directory or a control file
    staged,     ///< a file on its way to the server, in a mailbox or in the outbox
    pending,    ///< a message that `change` is bringing
    message,
    deleted,  ///< a message in .deleted
  };
  Kind kind = Kind::nothing;
  bool is_directory = false;
  NodeId node;  ///< by which the kernel knows it
  std::uint64_t generation = 1;
  MailboxId mailbox;        ///< that it is in; of a mailbox or local directory: its own id
  std::string name;         ///< as asked for
  MessageLocation message;  ///< message, deleted; pending: where it can be read meanwhile
  MessageMeta meta;         ///< message, deleted, pending
  sync::ChangeId change;    ///< pending
};

/// The same file as a message that is at `message` by now.
[[nodiscard]] NamedFile at(NamedFile file, const MessageLocation& message);
/// The change's source as sync wants it: a message, or what another change will have brought.
[[nodiscard]] sync::ChangeSource source_of(const NamedFile& file);

class NameLookup {
 public:
  /// `aliases` outlives this.
  NameLookup(const ViewDependencies& dependencies, const NodeAliases& aliases)
      : dependencies_(dependencies), aliases_(aliases) {}

  /// Nothing there is no Error.
  void find(const Node& parent, const std::string& name, Completion<NamedFile> done) const;
  /// Its node stands for another message by now if a new version of it was uploaded meanwhile.
  [[nodiscard]] NamedFile as_it_is_now(NamedFile file) const;
  /// The message that a pending file has become; nothing if it has not arrived.
  [[nodiscard]] std::optional<NamedFile> arrived(const NamedFile& pending) const;

 private:
  [[nodiscard]] NamedFile in_control_directory(const Node& parent, const std::string& name) const;
  [[nodiscard]] NamedFile in_deleted(const Node& parent, const std::string& name) const;
  void in_mailbox(MailboxId mailbox, const std::string& name, Completion<NamedFile> done) const;
  void in_local_directory(MailboxId directory, const std::string& name, Completion<NamedFile> done) const;
  [[nodiscard]] NamedFile local(const LocalEntry& entry) const;
  [[nodiscard]] NamedFile message(NamedFile::Kind kind, MailboxId mailbox, const std::string& name,
                                  const MessageMeta& meta) const;

  const ViewDependencies dependencies_;
  const NodeAliases& aliases_;
};

}  // namespace imapfs::vfs
