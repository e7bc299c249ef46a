#pragma once
// Nodes of the kernel that stand for another message than the one their number names.
//
// After a move, and after a new version has been uploaded, the kernel goes on with the inode it knows: entries of the
// message are given out under that node, and requests for the node go to the message. A message whose own node is
// taken gets a *stand-in*: a node of kind staged, beyond the numbers of staged files and of changes. Two nodes never
// stand for one message: the later one counts.
//
// Aliases live as long as the process. When there are more than max_idle that the kernel has forgotten, those go first
// that it forgot first. In memory only. Thread-safe; its lock is a leaf.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

/// A node by which the kernel knows a message that has another number of its own.
struct KernelNode {
  NodeId node;
  std::uint64_t generation = 1;
};

class NodeAliases {
 public:
  static constexpr std::size_t max_idle = 4096;

  /// From here on `node` stands for `message`. A message that is back under its own node needs no alias.
  void stand_for(NodeId node, std::uint64_t generation, const MessageLocation& message);
  /// The node stands for itself again.
  void stand_alone(NodeId node);
  /// The message that the node stands for; nothing where it stands for itself.
  [[nodiscard]] std::optional<MessageLocation> message_of(NodeId node) const;
  /// The node under which the kernel knows the message; nothing if that is the message's own. `own_taken`: something
  /// that is no alias has the message's own node. Whoever asks gives the node to the kernel: it counts as known again.
  [[nodiscard]] std::optional<KernelNode> node_of(const MessageLocation& message, bool own_taken);
  [[nodiscard]] bool empty() const;
  /// The kernel has forgotten the node.
  void forget(NodeId node);

 private:
  struct Alias {
    MessageLocation message;
    std::uint64_t generation = 1;
    std::uint64_t idle_since = 0;  ///< number of its place in `idle`; 0: the kernel knows the node
  };
  struct State {
    std::unordered_map<NodeId, Alias> aliases;
    std::map<MessageLocation, NodeId> nodes;
    std::map<std::uint64_t, NodeId> idle;
    std::uint64_t next_idle = 1;
    std::uint32_t next_stand_in = 0;

    void add(NodeId node, std::uint64_t generation, const MessageLocation& message);
    void drop(NodeId node);
    [[nodiscard]] NodeId free_stand_in();
  };
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
