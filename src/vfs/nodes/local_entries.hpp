#pragma once
// What the tables of sync do not account for: names of files that have no UID yet, and nodes of the kernel that have
// become something else.
//
// A *local entry* is a name in a mailbox or in a local directory: a local directory, a staged file, a message on its
// way there by a move or copy that was accepted (pending), or one that has arrived and whose row has not come yet
// (arrived; dropped as soon as the table lists it). An *alias* says which message a node of the kernel stands for by
// now: after a move the kernel goes on with the inode it knows, so entries of the message are given out under that
// node, and requests for the node go to the message. Aliases live as long as the process; when there are more than
// max_idle_aliases, those that the kernel has forgotten go first.
//
// In memory only; at the start it is filled from Account::pending_arrivals() and the journal's staged files.
// Thread-safe; nothing is called under its lock.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

struct LocalEntry {
  enum class Kind : std::uint8_t { staged, pending, arrived, directory };
  Kind kind = Kind::staged;
  NodeId node;  ///< the kernel's: a staged node, or that of the message that moves
  std::uint64_t generation = 1;
  MailboxId mailbox;
  std::string name;
  std::uint64_t cookie = 0;  ///< set by add(); beyond every message's
  MessageMeta meta;          ///< pending, arrived
  MessageLocation source;    ///< pending: where its octets can be read meanwhile; uid 0: nowhere
  sync::ChangeId change;     ///< pending
  bool copied = false;       ///< pending: the message at `source` stays
  MessageLocation message;   ///< arrived
};

/// Whether the table has taken over a message that has arrived: its row is there, or the message is known to be gone
/// again.
[[nodiscard]] bool taken_over(const sync::MessageTable& table, const LocalEntry& arrived);

class LocalEntries {
 public:
  static constexpr std::size_t max_idle_aliases = 4096;

  LocalEntries();

  /// False if the name is taken in that mailbox; nothing happens then.
  bool add(LocalEntry entry);
  [[nodiscard]] std::optional<LocalEntry> find(MailboxId mailbox, const std::string& name) const;
  [[nodiscard]] std::optional<LocalEntry> find(NodeId node) const;
  /// Puts what is there under another name, taking the place of a local entry of that name (which is returned).
  std::optional<LocalEntry> rename(NodeId node, MailboxId mailbox, const std::string& name);
  /// Replaces everything but name, mailbox and cookie of the entry of `entry.node`. False if there is none.
  bool update(const LocalEntry& entry);
  std::optional<LocalEntry> remove(NodeId node);
  /// In order of cookies, after `after`.
  [[nodiscard]] std::vector<LocalEntry> list(MailboxId mailbox, std::uint64_t after, std::size_t limit) const;
  [[nodiscard]] bool empty(MailboxId mailbox) const;
  /// remove(), if the entry has arrived.
  std::optional<LocalEntry> remove_arrived(NodeId node);
  /// remove(), if the entry still waits for this change.
  std::optional<LocalEntry> remove_pending(NodeId node, sync::ChangeId change);

  /// `node` stands for `message` from now on. A local entry of the node becomes arrived, unless it waits for another
  /// change than `change` by now.
  void arrived(NodeId node, std::uint64_t generation, const MessageLocation& message, sync::ChangeId change = {});
  /// The node stands for itself again.
  void stand_alone(NodeId node);
  /// The message that a node of the kernel stands for; nothing where it stands for itself.
  [[nodiscard]] std::optional<MessageLocation> message_of(NodeId node) const;
  struct KernelNode {
    NodeId node;
    std::uint64_t generation = 1;
  };
  /// The node under which the kernel knows the message, if that is not the message's own. Whoever asks gives it to the
  /// kernel: it is not forgotten from here on.
  ///
  /// A message whose own node stands for another one by now (an old version in .deleted: the new one has its node) gets
  /// a stand-in: a node of kind staged, beyond those of staged files and of changes. So does one whose own node is a
  /// staged file's by now, its backup.
  [[nodiscard]] std::optional<KernelNode> node_of(const MessageLocation& message) const;
  /// True if node_of() has nothing to say of any message: the common case, which a listing of 100,000 rows asks once.
  [[nodiscard]] bool no_aliases() const;
  /// The kernel has forgotten the node.
  void forget(NodeId node);

 private:
  struct State;
  Guarded<std::shared_ptr<State>> state_;
};

}  // namespace imapfs::vfs
