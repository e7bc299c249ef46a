#include "vfs/staging/drain_waiters.hpp"

#include <algorithm>

namespace imapfs::vfs {

void DrainWaiters::add(Reply<void> reply, std::unordered_set<NodeId> nodes) {
  waiting_.emplace_back(std::move(reply), std::move(nodes));
}

bool DrainWaiters::wait_for(NodeId node) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const auto& waiting) { return waiting.second.contains(node); });
}

void DrainWaiters::check() {
  std::vector<Reply<void>> drained;
  for (auto& [reply, nodes] : waiting_) {
    std::erase_if(nodes, [this](NodeId node) { return !is_waited_for_(node); });
    if (nodes.empty()) drained.push_back(reply);
  }
  std::erase_if(waiting_, [](const auto& waiting) { return waiting.second.empty(); });
  for (const auto& reply : drained) reply({});
}

void DrainWaiters::fail_all(NodeId node, const Error& error) {
  std::vector<Reply<void>> failed;
  for (const auto& [reply, nodes] : waiting_) {
    if (nodes.contains(node)) failed.push_back(reply);
  }
  std::erase_if(waiting_, [&](const auto& waiting) { return waiting.second.contains(node); });
  for (const auto& reply : failed) reply(fail(error));
}

}  // namespace imapfs::vfs
