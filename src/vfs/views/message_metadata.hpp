#pragma once
// What is known of the message that a node stands for: its row, and the entry that shows it to the kernel.
//
// A row comes from the mailbox's table; while the message has none, from what was kept when its name was given out; and
// while the table is not complete, from the server. Any thread; never blocks, holds no lock while it completes.

#include <optional>

#include "vfs/nodes/node_meaning.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class MessageMetadata {
 public:
  explicit MessageMetadata(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  /// The row in the table.
  [[nodiscard]] std::optional<MessageMeta> row(const Node& node) const;
  /// The row, or what the kernel was shown of a message that has none.
  [[nodiscard]] std::optional<MessageMeta> in_memory(const Node& node) const;
  /// ENOENT if there is no such message.
  void find(const Node& node, Completion<MessageMeta> done) const;
  /// Under `node.id`. Nothing if its mailbox is gone.
  [[nodiscard]] std::optional<Entry> entry(const Node& node, const MessageMeta& meta) const;
  /// Of the mailbox at this moment; 0 where the server has not told it.
  [[nodiscard]] UidValidity uid_validity(const Node& node) const;

 private:
  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs
