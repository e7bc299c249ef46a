#pragma once
// Entries and attributes of what the account holds, the same for every view that shows it: imapfs(7), "FILES AND
// DIRECTORIES".
//
// Pure functions of the account's memory, any thread.

#include <string>

#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

/// Permissions as they are shown, of those of the owner.
[[nodiscard]] mode_t shown_permissions(const Settings& settings, mode_t owner);

/// Attributes of a directory with `children` subdirectories.
[[nodiscard]] Attributes directory_attributes(const Settings& settings, InodeId inode, std::size_t children,
                                              Timestamp time);

[[nodiscard]] Entry mailbox_entry(const sync::Account& account, const Settings& settings,
                                  const sync::MailboxNode& mailbox);

/// A file that is no message yet. Its size and time are those of the moment: the kernel knows what is written through
/// it.
[[nodiscard]] Entry staged_entry(const Settings& settings, NodeId node, std::uint64_t size, Timestamp time);

/// A message on its way to a mailbox: it looks as it did where it comes from.
[[nodiscard]] Entry pending_entry(const sync::Account& account, const Settings& settings, const LocalEntry& local);

/// Makes entries of one mailbox's messages; what they share is computed once.
class MessageEntries {
 public:
  /// `nodes` outlives this; null: every message is known by its own node.
  MessageEntries(const sync::Account& account, const Settings& settings, const sync::MailboxNode& mailbox,
                 UidValidity validity, const NodeResolver* nodes = nullptr);

  /// Under the node by which the kernel knows the message.
  [[nodiscard]] Entry entry(Uid uid, std::uint64_t size, UnixTime internal_date) const;
  [[nodiscard]] Entry entry(const MessageMeta& meta) const { return entry(meta.uid, meta.size, meta.internal_date); }
  /// Under the message's own node: takes no lock. use_kernel_node() is to follow.
  [[nodiscard]] Entry own_entry(Uid uid, std::uint64_t size, UnixTime internal_date) const;
  void use_kernel_node(Entry& entry) const;
  /// `generation`: the one under which the kernel knows the node. The inode number is the node's.
  void use_node(Entry& entry, NodeId node, std::uint64_t generation) const;

 private:
  const sync::Account& account_;
  const Settings& settings_;
  MailboxId mailbox_;
  UidValidity validity_;
  std::uint64_t generation_;
  std::uint64_t inode_seed_;
  mode_t mode_;
  const NodeResolver* nodes_;  ///< null where every message is known by its own
};

}  // namespace imapfs::vfs
