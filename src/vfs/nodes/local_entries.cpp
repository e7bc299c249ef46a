#include "vfs/nodes/local_entries.hpp"

#include <utility>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

const LocalEntry* LocalEntries::State::find(MailboxId mailbox, const std::string& name) const {
  const auto in = mailboxes.find(mailbox);
  if (in == mailboxes.end()) return nullptr;
  const auto found = in->second.names.find(name);
  return found == in->second.names.end() ? nullptr : &entries.at(found->second);
}

void LocalEntries::State::insert(LocalEntry entry) {
  entry.cookie = local_cookie(next_cookie++);
  auto& in = mailboxes[entry.mailbox];
  in.names[entry.name] = entry.node;
  in.order[entry.cookie] = entry.node;
  entries[entry.node] = std::move(entry);
}

std::optional<LocalEntry> LocalEntries::State::remove(NodeId node) {
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

bool taken_over(const sync::MessageTable& table, const LocalEntry& arrived) {
  if (arrived.message.mailbox != arrived.mailbox) return true;
  if (arrived.message.uid_validity != table.uid_validity()) return true;
  if (table.find(arrived.message.uid)) return true;
  if (!table.complete()) return false;
  // It stays where it is when the row at it is removed.
  if (table.frontier() >= arrived.message.uid) return true;
  return table.visit_after(arrived.message.uid, 1, [](const auto&) { return true; }).rows > 0;
}

bool LocalEntries::add(LocalEntry entry) {
  return state_.with_lock([&](State& state) {
    if (state.find(entry.mailbox, entry.name)) return false;
    state.remove(entry.node);
    state.insert(std::move(entry));
    return true;
  });
}

std::optional<LocalEntry> LocalEntries::find(MailboxId mailbox, const std::string& name) const {
  return state_.with_lock([&](const State& state) -> std::optional<LocalEntry> {
    const auto* entry = state.find(mailbox, name);
    return entry ? std::optional(*entry) : std::nullopt;
  });
}

std::optional<LocalEntry> LocalEntries::find(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<LocalEntry> {
    const auto found = state.entries.find(node);
    return found == state.entries.end() ? std::nullopt : std::optional(found->second);
  });
}

std::optional<LocalEntry> LocalEntries::rename(NodeId node, MailboxId mailbox, const std::string& name) {
  return state_.with_lock([&](State& state) -> std::optional<LocalEntry> {
    auto entry = state.remove(node);
    if (!entry) return std::nullopt;
    std::optional<LocalEntry> replaced;
    if (const auto* other = state.find(mailbox, name)) replaced = state.remove(NodeId{other->node});
    entry->mailbox = mailbox;
    entry->name = entry->meta.file_name = name;
    state.insert(std::move(*entry));
    return replaced;
  });
}

bool LocalEntries::update(const LocalEntry& entry) {
  return state_.with_lock([&](State& state) {
    const auto found = state.entries.find(entry.node);
    if (found == state.entries.end()) return false;
    LocalEntry updated = entry;
    updated.mailbox = found->second.mailbox;
    updated.name = found->second.name;
    updated.cookie = found->second.cookie;
    found->second = std::move(updated);
    return true;
  });
}

std::optional<LocalEntry> LocalEntries::remove(NodeId node) {
  return state_.with_lock([&](State& state) { return state.remove(node); });
}

std::optional<LocalEntry> LocalEntries::remove_arrived(NodeId node) {
  return state_.with_lock([&](State& state) -> std::optional<LocalEntry> {
    const auto found = state.entries.find(node);
    if (found == state.entries.end() || found->second.kind != LocalEntry::Kind::arrived) return std::nullopt;
    return state.remove(node);
  });
}

std::optional<LocalEntry> LocalEntries::remove_pending(NodeId node, sync::ChangeId change) {
  return state_.with_lock([&](State& state) -> std::optional<LocalEntry> {
    const auto found = state.entries.find(node);
    if (found == state.entries.end() || found->second.kind != LocalEntry::Kind::pending ||
        found->second.change != change) {
      return std::nullopt;
    }
    return state.remove(node);
  });
}

std::vector<LocalEntry> LocalEntries::list(MailboxId mailbox, std::uint64_t after, std::size_t limit) const {
  return state_.with_lock([&](const State& state) {
    std::vector<LocalEntry> listed;
    const auto in = state.mailboxes.find(mailbox);
    if (in == state.mailboxes.end()) return listed;
    for (auto next = in->second.order.upper_bound(after); next != in->second.order.end(); ++next) {
      if (listed.size() == limit) break;
      listed.push_back(state.entries.at(next->second));
    }
    return listed;
  });
}

bool LocalEntries::empty(MailboxId mailbox) const {
  return state_.with_lock([&](const State& state) { return !state.mailboxes.contains(mailbox); });
}

bool LocalEntries::empty() const {
  return state_.with_lock([](const State& state) { return state.entries.empty(); });
}

void LocalEntries::arrived(NodeId node, std::uint64_t generation, const MessageLocation& message,
                           sync::ChangeId change) {
  // First, so that whoever finds the entry arrived finds the message too.
  aliases_.stand_for(node, generation, message);
  state_.with_lock([&](State& state) {
    const auto found = state.entries.find(node);
    if (found == state.entries.end()) return;
    auto& entry = found->second;
    if (entry.kind == LocalEntry::Kind::pending && entry.change != change) return;
    entry.kind = LocalEntry::Kind::arrived;
    entry.message = message;
    entry.meta.uid = message.uid;
    entry.source = {};
    entry.change = {};
  });
}

}  // namespace imapfs::vfs
