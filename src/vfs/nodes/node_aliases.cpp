#include "vfs/nodes/node_aliases.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

/// Beyond the numbers of staged files and of changes that an earlier process left (Staging::recover).
constexpr std::uint32_t first_stand_in = 0xc0000000U;

}  // namespace

void NodeAliases::State::add(NodeId node, std::uint64_t generation, const MessageLocation& message) {
  aliases[node] = Alias{message, generation, 0};
  nodes[message] = node;
}

void NodeAliases::State::drop(NodeId node) {
  const auto found = aliases.find(node);
  if (found == aliases.end()) return;
  nodes.erase(found->second.message);
  idle.erase(found->second.idle_since);
  aliases.erase(found);
}

NodeId NodeAliases::State::free_stand_in() {
  NodeId node;
  do {
    next_stand_in = std::max(next_stand_in, first_stand_in);
    node = staged_node(next_stand_in++);
  } while (aliases.contains(node));
  return node;
}

void NodeAliases::stand_for(NodeId node, std::uint64_t generation, const MessageLocation& message) {
  const bool own = node == message_node(message.mailbox, message.uid) && generation == message.uid_validity.value;
  state_.with_lock([&](State& state) {
    state.drop(node);
    // Two nodes for one message would be two inodes for one file.
    if (const auto other = state.nodes.find(message); other != state.nodes.end()) state.drop(NodeId{other->second});
    if (!own) state.add(node, generation, message);
  });
}

void NodeAliases::stand_alone(NodeId node) {
  state_.with_lock([&](State& state) { state.drop(node); });
}

std::optional<MessageLocation> NodeAliases::message_of(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<MessageLocation> {
    const auto found = state.aliases.find(node);
    return found == state.aliases.end() ? std::nullopt : std::optional(found->second.message);
  });
}

std::optional<KernelNode> NodeAliases::node_of(const MessageLocation& message, bool own_taken) {
  return state_.with_lock([&](State& state) -> std::optional<KernelNode> {
    if (const auto found = state.nodes.find(message); found != state.nodes.end()) {
      auto& alias = state.aliases.at(found->second);
      state.idle.erase(std::exchange(alias.idle_since, 0));
      return KernelNode{found->second, alias.generation};
    }
    if (!own_taken && !state.aliases.contains(message_node(message.mailbox, message.uid))) return std::nullopt;
    const KernelNode stand_in{state.free_stand_in(), generation_of(message.uid_validity)};
    state.add(stand_in.node, stand_in.generation, message);
    return stand_in;
  });
}

bool NodeAliases::empty() const {
  return state_.with_lock([](const State& state) { return state.aliases.empty(); });
}

void NodeAliases::forget(NodeId node) {
  state_.with_lock([&](State& state) {
    const auto found = state.aliases.find(node);
    if (found == state.aliases.end() || found->second.idle_since != 0) return;
    found->second.idle_since = state.next_idle++;
    state.idle.emplace(found->second.idle_since, node);
    while (state.idle.size() > max_idle) state.drop(NodeId{state.idle.begin()->second});
  });
}

}  // namespace imapfs::vfs
