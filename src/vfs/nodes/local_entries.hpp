#pragma once
// Names that the tables of sync do not have.
//
// A *local entry* is a name in a mailbox or in a local directory: a local directory, a staged file, a message on its
// way there by a move or copy that was accepted (pending), or one that has arrived and whose row has not come yet
// (arrived; dropped as soon as the table lists it).
//
// In memory only; at the start it is filled from MessageChanger::pending_arrivals() and the journal's staged files.
// Thread-safe; its lock is a leaf.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/message_changer.hpp"
#include "imapfs/sync/message_table.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/nodes/node_aliases.hpp"

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
  MessageLocation source;    ///< pending: where its bytes can be read meanwhile; uid 0: nowhere
  sync::ChangeId change;     ///< pending
  bool copied = false;       ///< pending: the message at `source` stays
  MessageLocation message;   ///< arrived
};

/// Whether the table has taken over a message that has arrived: its row is there, or the message is known to be gone
/// again.
[[nodiscard]] bool taken_over(const sync::MessageTable& table, const LocalEntry& arrived);

class LocalEntries {
 public:
  /// `aliases` outlives this.
  explicit LocalEntries(NodeAliases& aliases) : aliases_(aliases) {}

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
  /// Of all mailboxes.
  [[nodiscard]] bool empty() const;
  /// remove(), if the entry has arrived.
  std::optional<LocalEntry> remove_arrived(NodeId node);
  /// remove(), if the entry still waits for this change.
  std::optional<LocalEntry> remove_pending(NodeId node, sync::ChangeId change);

  /// The message that a local entry was about is in its mailbox: `node` stands for it from now on (NodeAliases). An
  /// entry of the node becomes arrived, unless it waits for another change than `change` by now.
  void arrived(NodeId node, std::uint64_t generation, const MessageLocation& message, sync::ChangeId change = {});

 private:
  struct Mailbox {
    std::map<std::string, NodeId, std::less<>> names;
    std::map<std::uint64_t, NodeId> order;  ///< by cookie
  };
  struct State {
    std::unordered_map<NodeId, LocalEntry> entries;
    std::unordered_map<MailboxId, Mailbox> mailboxes;
    std::uint64_t next_cookie = 1;

    [[nodiscard]] const LocalEntry* find(MailboxId mailbox, const std::string& name) const;
    void insert(LocalEntry entry);
    std::optional<LocalEntry> remove(NodeId node);
  };
  NodeAliases& aliases_;
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
