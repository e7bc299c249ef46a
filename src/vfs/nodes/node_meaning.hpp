#pragma once
// What a node is now. A number names one message, mailbox or file for ever (node_id.hpp), but the kernel goes on with
// the nodes it knows: one may stand for a message that has moved since, for one that is still on its way, or for a file
// that has taken a message's place. NodeResolver is the only place where that is decided.
//
// A NodeMeaning is true for the moment: whoever waits for something in between resolves the node again. Any thread;
// takes the leaf locks of LocalEntries and NodeAliases, one after the other.

#include <cstdint>
#include <optional>
#include <string>

#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "imapfs/vfs/types.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/nodes/node_aliases.hpp"

namespace imapfs::vfs {

struct NodeMeaning {
  enum class Kind : std::uint8_t {
    fixed,            ///< the root, or what is in /.imapfs: `fixed`
    mailbox,          ///< `mailbox` as a directory
    deleted,          ///< the directory .deleted of `mailbox`
    by_uid,           ///< the directory .uid of `mailbox`
    local_directory,  ///< `mailbox` is its id; `entry` is absent once it is gone
    message,          ///< the message at `message`
    pending,          ///< the message that `entry->change` is bringing; read meanwhile at `message`
    staged,           ///< a file on its way to the server, or one that stays here
  };
  Kind kind = Kind::fixed;
  FixedNode fixed = FixedNode::root;
  /// Of a directory: itself. Of a file: the directory that lists it; 0 for one in the outbox.
  MailboxId mailbox;
  /// Uid 0: its UIDVALIDITY has changed, the message is gone. Mailbox 0 (pending only): read nowhere yet.
  MessageLocation message;
  /// The node is the kernel's for another message than its number names (NodeAliases).
  bool aliased = false;
  /// The local entry of the node: of staged and pending ones, local directories, and messages without a row yet.
  std::optional<LocalEntry> entry;

  [[nodiscard]] bool is_root() const { return kind == Kind::fixed && fixed == FixedNode::root; }
  /// A mailbox as a directory, or the root.
  [[nodiscard]] bool is_in_tree() const { return kind == Kind::mailbox || is_root(); }
};

/// A node with what it was when the request for it came.
struct Node {
  NodeId id;
  NodeMeaning meaning;
};

class NodeResolver {
 public:
  /// All outlive this.
  NodeResolver(sync::Account& account, LocalEntries& entries, NodeAliases& aliases)
      : account_(account), entries_(entries), aliases_(aliases) {}

  /// Nothing for a number that was never given out.
  [[nodiscard]] std::optional<NodeMeaning> resolve(NodeId node) const;
  /// The node by which the kernel knows the message, if that is not the message's own. Whoever asks gives it to the
  /// kernel.
  [[nodiscard]] std::optional<KernelNode> kernel_node(const MessageLocation& message) const;
  /// True if kernel_node() has nothing to say of any message: the common case, which a listing of 100,000 rows asks
  /// once.
  [[nodiscard]] bool all_messages_have_their_own() const;
  /// Completes with where the message of a pending node has arrived, when `change` has ended: from then on the node
  /// stands for it. An Error if it was refused, or nobody knows where it is.
  void await_arrival(NodeId node, std::uint64_t generation, sync::ChangeId change,
                     Completion<MessageLocation> done) const;
  /// For logs: "INBOX/name.eml".
  [[nodiscard]] std::string path(NodeId node) const;

 private:
  [[nodiscard]] NodeMeaning resolve_file(NodeId node, const DecodedNode& decoded) const;
  [[nodiscard]] MessageLocation present(const MessageLocation& message) const;

  sync::Account& account_;
  LocalEntries& entries_;
  NodeAliases& aliases_;
};

/// The mailbox that is, or holds, `node` in the tree; the root for the root; null when there is none (any more).
[[nodiscard]] const sync::MailboxNode* find_mailbox(const sync::MailboxTree& tree, const NodeMeaning& node);

}  // namespace imapfs::vfs
