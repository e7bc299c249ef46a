#pragma once
// The body of the message that a node stands for, wherever the message is by the time it is asked for: one that was
// moved since the request came is opened at its new place.
//
// Any thread; never blocks, holds no lock while it completes.

#include <functional>
#include <memory>
#include <optional>

#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class MessageBodies {
 public:
  using Opened = Completion<std::shared_ptr<sync::Body>>;

  /// Both outlive this.
  MessageBodies(sync::Account& account, const NodeResolver& nodes) : account_(account), nodes_(nodes) {}

  /// BodyReader::can_wait() of the message.
  [[nodiscard]] bool open_can_wait(const Node& node) const;
  /// Completes when the exact length is known.
  void open(const Node& node, Opened done);
  /// For a READ that ends below the size that the table shows: the length may not be proved yet.
  void open_at(const Node& node, std::uint64_t offset, std::size_t length, Opened done);
  /// Of a message whose body broke off. Fails with `gone` if it was not moved but is gone.
  void open_moved(NodeId node, const Error& gone, Opened done);

 private:
  using Place = std::optional<MessageLocation>;
  void find_new_place(NodeId node, std::function<void(Place)> done);
  [[nodiscard]] Opened or_at_new_place(NodeId node, Opened done);

  sync::Account& account_;
  const NodeResolver& nodes_;
};

}  // namespace imapfs::vfs
