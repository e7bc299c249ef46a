#include "vfs/nodes/local_entries.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "imapfs/vfs/node_tree.hpp"

namespace imapfs::vfs {

namespace {

/// Beyond the numbers of staged files and of changes that an earlier process left (staging_recovery.cpp).
constexpr std::uint32_t stand_in_nodes = 0xc0000000U;

}  // namespace

struct LocalEntries::State {
  struct Alias {
    MessageLocation message;
    std::uint64_t generation = 1;
    std::uint64_t idle_since = 0;  ///< number of its place in `idle`; 0: the kernel knows the node
  };
  struct Mailbox {
    std::map<std::string, NodeId, std::less<>> names;
    std::map<std::uint64_t, NodeId> order;  ///< by cookie
  };

  std::unordered_map<NodeId, LocalEntry> entries;
  std::unordered_map<MailboxId, Mailbox> mailboxes;
  std::uint64_t next_cookie = 1;
  std::unordered_map<NodeId, Alias> aliases;
  std::map<MessageLocation, NodeId> nodes;
  std::map<std::uint64_t, NodeId> idle;
  std::uint64_t next_idle = 1;
  std::uint32_t next_stand_in = stand_in_nodes;

  LocalEntry* find(MailboxId mailbox, const std::string& name) {
    const auto in = mailboxes.find(mailbox);
    if (in == mailboxes.end()) return nullptr;
    const auto found = in->second.names.find(name);
    return found == in->second.names.end() ? nullptr : &entries.at(found->second);
  }

  void insert(LocalEntry entry) {
    entry.cookie = local_cookie(next_cookie++);
    auto& in = mailboxes[entry.mailbox];
    in.names[entry.name] = entry.node;
    in.order[entry.cookie] = entry.node;
    entries[entry.node] = std::move(entry);
  }

  std::optional<LocalEntry> remove(NodeId node) {
    const auto found = entries.find(node);
    if (found == entries.end()) return std::nullopt;
    auto entry = std::move(found->second);
    entries.erase(found);
    const auto in = mailboxes.find(entry.mailbox);
    in->second.names.erase(entry.name);
    in->second.order.erase(entry.cookie);
    if (in->second.names.empty()) mailboxes.erase(in);
    return entry;
  }

  void stand_for(NodeId node, std::uint64_t generation, const MessageLocation& message) {
    drop_alias(node);
    // Two nodes for one message would be two inodes for one file: the later one counts.
    if (const auto other = nodes.find(message); other != nodes.end()) drop_alias(other->second);
    // Back where it came from: a node that stands for itself needs no alias.
    if (node == message_node(message.mailbox, message.uid) && generation == message.uid_validity.value) return;
    aliases[node] = Alias{message, generation, 0};
    nodes[message] = node;
  }

  std::optional<KernelNode> node_of(const MessageLocation& message) {
    const auto found = nodes.find(message);
    if (found == nodes.end()) return std::nullopt;
    auto& alias = aliases.at(found->second);
    idle.erase(std::exchange(alias.idle_since, 0));
    return KernelNode{found->second, alias.generation};
  }

  KernelNode add_stand_in(const MessageLocation& message) {
    NodeId node;
    do {
      node = staged_node(next_stand_in);
      next_stand_in = std::max(next_stand_in + 1, stand_in_nodes);
    } while (aliases.contains(node));
    // libfuse: "the generation must be non-zero".
    const std::uint64_t generation = std::max<std::uint64_t>(1, message.uid_validity.value);
    aliases[node] = Alias{message, generation, 0};
    nodes[message] = node;
    return {node, generation};
  }

  void drop_alias(NodeId node) {
    const auto found = aliases.find(node);
    if (found == aliases.end()) return;
    nodes.erase(found->second.message);
    idle.erase(found->second.idle_since);
    aliases.erase(found);
  }
};

bool taken_over(const sync::MessageTable& table, const LocalEntry& arrived) {
  if (arrived.message.mailbox != arrived.mailbox) return true;
  if (arrived.message.uid_validity != table.uid_validity()) return true;
  if (table.find(arrived.message.uid)) return true;
  if (!table.complete()) return false;
  // It stays where it is when the row at it is removed.
  if (table.frontier() >= arrived.message.uid) return true;
  return table.visit_after(arrived.message.uid, 1, [](const auto&) { return true; }).rows > 0;
}

LocalEntries::LocalEntries() : state_(std::make_shared<State>()) {}

bool LocalEntries::add(LocalEntry entry) {
  return state_.with_lock([&](auto& state) {
    if (state->find(entry.mailbox, entry.name)) return false;
    state->remove(entry.node);
    state->insert(std::move(entry));
    return true;
  });
}

std::optional<LocalEntry> LocalEntries::find(MailboxId mailbox, const std::string& name) const {
  return state_.with_lock([&](const auto& state) -> std::optional<LocalEntry> {
    const auto* entry = state->find(mailbox, name);
    return entry ? std::optional(*entry) : std::nullopt;
  });
}

std::optional<LocalEntry> LocalEntries::find(NodeId node) const {
  return state_.with_lock([&](const auto& state) -> std::optional<LocalEntry> {
    const auto found = state->entries.find(node);
    return found == state->entries.end() ? std::nullopt : std::optional(found->second);
  });
}

std::optional<LocalEntry> LocalEntries::rename(NodeId node, MailboxId mailbox, const std::string& name) {
  return state_.with_lock([&](auto& state) -> std::optional<LocalEntry> {
    auto entry = state->remove(node);
    if (!entry) return std::nullopt;
    std::optional<LocalEntry> replaced;
    if (const auto* other = state->find(mailbox, name)) replaced = state->remove(NodeId{other->node});
    entry->mailbox = mailbox;
    entry->name = entry->meta.file_name = name;
    state->insert(std::move(*entry));
    return replaced;
  });
}

bool LocalEntries::update(const LocalEntry& entry) {
  return state_.with_lock([&](auto& state) {
    const auto found = state->entries.find(entry.node);
    if (found == state->entries.end()) return false;
    LocalEntry updated = entry;
    updated.mailbox = found->second.mailbox;
    updated.name = found->second.name;
    updated.cookie = found->second.cookie;
    found->second = std::move(updated);
    return true;
  });
}

std::optional<LocalEntry> LocalEntries::remove(NodeId node) {
  return state_.with_lock([&](auto& state) { return state->remove(node); });
}

std::optional<LocalEntry> LocalEntries::remove_arrived(NodeId node) {
  return state_.with_lock([&](auto& state) -> std::optional<LocalEntry> {
    const auto found = state->entries.find(node);
    if (found == state->entries.end() || found->second.kind != LocalEntry::Kind::arrived) return std::nullopt;
    return state->remove(node);
  });
}

std::optional<LocalEntry> LocalEntries::remove_pending(NodeId node, sync::ChangeId change) {
  return state_.with_lock([&](auto& state) -> std::optional<LocalEntry> {
    const auto found = state->entries.find(node);
    if (found == state->entries.end() || found->second.kind != LocalEntry::Kind::pending ||
        found->second.change != change) {
      return std::nullopt;
    }
    return state->remove(node);
  });
}

std::vector<LocalEntry> LocalEntries::list(MailboxId mailbox, std::uint64_t after, std::size_t limit) const {
  return state_.with_lock([&](const auto& state) {
    std::vector<LocalEntry> listed;
    const auto in = state->mailboxes.find(mailbox);
    if (in == state->mailboxes.end()) return listed;
    for (auto next = in->second.order.upper_bound(after); next != in->second.order.end(); ++next) {
      if (listed.size() == limit) break;
      listed.push_back(state->entries.at(next->second));
    }
    return listed;
  });
}

bool LocalEntries::empty(MailboxId mailbox) const {
  return state_.with_lock([&](const auto& state) { return !state->mailboxes.contains(mailbox); });
}

void LocalEntries::arrived(NodeId node, std::uint64_t generation, const MessageLocation& message,
                           sync::ChangeId change) {
  state_.with_lock([&](auto& state) {
    state->stand_for(node, generation, message);
    const auto found = state->entries.find(node);
    if (found == state->entries.end()) return;
    auto& entry = found->second;
    if (entry.kind == LocalEntry::Kind::pending && entry.change != change) return;
    entry.kind = LocalEntry::Kind::arrived;
    entry.message = message;
    entry.meta.uid = message.uid;
    entry.source = {};
    entry.change = {};
  });
}

std::optional<MessageLocation> LocalEntries::message_of(NodeId node) const {
  return state_.with_lock([&](const auto& state) -> std::optional<MessageLocation> {
    const auto found = state->aliases.find(node);
    return found == state->aliases.end() ? std::nullopt : std::optional(found->second.message);
  });
}

std::optional<LocalEntries::KernelNode> LocalEntries::node_of(const MessageLocation& message) const {
  return state_.with_lock([&](const auto& state) -> std::optional<KernelNode> {
    if (auto known = state->node_of(message)) return known;
    const auto own = message_node(message.mailbox, message.uid);
    const auto entry = state->entries.find(own);
    // The backup of a message has its node.
    const bool taken = entry != state->entries.end() && entry->second.kind == LocalEntry::Kind::staged;
    if (!taken && !state->aliases.contains(own)) return std::nullopt;
    return state->add_stand_in(message);
  });
}

void LocalEntries::stand_alone(NodeId node) {
  state_.with_lock([&](auto& state) { state->drop_alias(node); });
}

bool LocalEntries::no_aliases() const {
  return state_.with_lock([](const auto& state) { return state->aliases.empty() && state->entries.empty(); });
}

void LocalEntries::forget(NodeId node) {
  state_.with_lock([&](auto& state) {
    const auto found = state->aliases.find(node);
    if (found == state->aliases.end() || found->second.idle_since != 0) return;
    found->second.idle_since = state->next_idle++;
    state->idle.emplace(found->second.idle_since, node);
    while (state->idle.size() > max_idle_aliases) state->drop_alias(NodeId{state->idle.begin()->second});
  });
}

}  // namespace imapfs::vfs
