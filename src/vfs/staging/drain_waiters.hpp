#pragma once
// Who waits until files have been uploaded (sync(1), fsync of a directory, the unmount), and for which of them.
//
// Each reply comes exactly once: when none of its files is waited for any more, or with the first failure of one of
// them. Thread "staging"; no lock.

#include <functional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class DrainWaiters {
 public:
  /// `is_waited_for`: whether there is still something of the node's file to be uploaded.
  explicit DrainWaiters(std::function<bool(NodeId)> is_waited_for) : is_waited_for_(std::move(is_waited_for)) {}

  void add(Reply<void> reply, std::unordered_set<NodeId> nodes);
  [[nodiscard]] bool wait_for(NodeId node) const;
  /// Answers those whose files have all ended.
  void check();
  /// Answers those who wait for this file.
  void fail_all(NodeId node, const Error& error);

 private:
  const std::function<bool(NodeId)> is_waited_for_;
  std::vector<std::pair<Reply<void>, std::unordered_set<NodeId>>> waiting_;
};

}  // namespace imapfs::vfs
