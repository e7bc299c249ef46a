#include "vfs/views/open_bodies.hpp"

#include <algorithm>
#include <vector>

namespace imapfs::vfs {

namespace {

/// Under another UIDVALIDITY it is the same as far as an open file goes: its handle says which is meant.
bool is_same_message(const Node& left, const Node& right) {
  const auto& one = left.meaning.message;
  const auto& other = right.meaning.message;
  return one.mailbox == other.mailbox && one.uid == other.uid;
}

}  // namespace

std::pair<OpenBodies::Opens::const_iterator, OpenBodies::Opens::const_iterator> OpenBodies::Table::of(
    NodeId node) const {
  return {open.lower_bound(Key{node, 0}), open.upper_bound(Key{node, ~HandleId{0}})};
}

OpenBodies::Open* OpenBodies::Table::find(NodeId node, HandleId handle) {
  const auto found = open.find(Key{node, handle});
  return found == open.end() ? nullptr : &found->second;
}

void OpenBodies::add(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body, std::optional<Entry> entry) {
  // Swapped in, so that a replaced body is destroyed with the parameter, outside the lock.
  table_.with_lock([&](Table& table) {
    auto& open = table.open[Key{node.id, handle}];
    ++open.count;
    open.state = State::known;
    open.node = node;
    open.body.swap(body);
    if (entry) open.entry = entry;
  });
}

bool OpenBodies::add_unread(const Unread& unread, std::optional<Entry> entry) {
  std::shared_ptr<sync::Body> replaced;
  return table_.with_lock([&](Table& table) {
    auto& open = table.open[Key{unread.node.id, unread.handle}];
    ++open.count;
    if (entry) open.entry = entry;
    // The kernel was told a size once; what the table has now may be known by others already.
    if (open.state != State::none && is_same_message(open.node, unread.node)) return false;
    open.state = State::unread;
    open.node = unread.node;
    open.body.swap(replaced);
    open.told_size = unread.told_size;
    return !std::exchange(open.holds_news, true);
  });
}

OpenBodies::Found OpenBodies::find(NodeId node, HandleId handle) const {
  return table_.with_lock([&](const Table& table) -> Found {
    const Key key{node, handle};
    if (const auto found = table.open.find(key); found != table.open.end()) {
      const auto& open = found->second;
      return {open.state, open.body, {open.node, handle, open.told_size}};
    }
    for (const auto& [unowned_key, body] : table.unowned) {
      if (unowned_key == key) return {State::known, body, {}};
    }
    return {};
  });
}

std::optional<OpenBodies::Unread> OpenBodies::find_unread(NodeId node) const {
  return table_.with_lock([&](const Table& table) -> std::optional<Unread> {
    const auto [first, last] = table.of(node);
    const auto found = std::find_if(first, last, [](const auto& open) { return open.second.is_unread(); });
    if (found == last) return std::nullopt;
    return Unread{found->second.node, found->first.second, found->second.told_size};
  });
}

std::shared_ptr<sync::Body> OpenBodies::find_unfinished(NodeId node) const {
  std::vector<std::shared_ptr<sync::Body>> bodies;
  table_.with_lock([&](const Table& table) {
    const auto [first, last] = table.of(node);
    std::for_each(first, last, [&](const auto& open) { bodies.push_back(open.second.body); });
  });
  const auto found = std::find_if(bodies.begin(), bodies.end(),
                                  [](const auto& body) { return body && !body->whole(); });
  return found == bodies.end() ? nullptr : *found;
}

std::optional<Entry> OpenBodies::find_entry(NodeId node) const {
  return table_.with_lock([&](const Table& table) -> std::optional<Entry> {
    const auto [first, last] = table.of(node);
    return first == last ? std::nullopt : first->second.entry;
  });
}

void OpenBodies::replace(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body) {
  const bool is_open = table_.with_lock([&](Table& table) {
    auto* const open = table.find(node.id, handle);
    if (!open) return false;
    open->state = State::known;
    open->node = node;
    if (open->entry) open->entry->attributes.size = body->length();
    open->body.swap(body);
    return true;
  });
  if (!is_open) add_unowned(node.id, handle, std::move(body));
}

void OpenBodies::add_unowned(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body) {
  std::shared_ptr<sync::Body> evicted;
  table_.with_lock([&](Table& table) {
    for (auto& [key, known] : table.unowned) {
      if (key == Key{node, handle}) return known.swap(body);
    }
    table.unowned.emplace_back(Key{node, handle}, std::move(body));
    if (table.unowned.size() <= max_unowned) return;
    evicted = std::move(table.unowned.front().second);
    table.unowned.pop_front();
  });
}

void OpenBodies::drop_replaced(const Node& node, HandleId handle) {
  const auto& message = node.meaning.message;
  std::shared_ptr<sync::Body> replaced;
  table_.with_lock([&](Table& table) {
    auto* const open = table.find(node.id, handle);
    if (!open || message.uid.value == 0 || open->node.meaning.message.mailbox != message.mailbox) return;
    if (is_same_message(open->node, node)) return;
    open->state = State::none;
    open->node = node;
    open->body.swap(replaced);
  });
}

void OpenBodies::keep_unproved(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body) {
  table_.with_lock([&](Table& table) {
    auto* const open = table.find(node, handle);
    if (!open || !open->is_unread()) return;
    open->state = State::unproved;
    open->body.swap(body);
  });
}

void OpenBodies::drop_unproved(NodeId node, HandleId handle, const std::shared_ptr<sync::Body>& body) {
  table_.with_lock([&](Table& table) {
    auto* const open = table.find(node, handle);
    if (!open || open->state != State::unproved || open->body != body) return;
    open->state = State::unread;
    // The caller holds it as well: nothing is destroyed here.
    open->body.reset();
  });
}

bool OpenBodies::stop_holding(NodeId node, HandleId handle) {
  return table_.with_lock([&](Table& table) {
    auto* const open = table.find(node, handle);
    return open && std::exchange(open->holds_news, false);
  });
}

bool OpenBodies::release(NodeId node, HandleId handle) {
  std::shared_ptr<sync::Body> closed;
  return table_.with_lock([&](Table& table) {
    const auto found = table.open.find(Key{node, handle});
    if (found == table.open.end() || --found->second.count > 0) return false;
    closed = std::move(found->second.body);
    const bool held_news = found->second.holds_news;
    table.open.erase(found);
    return held_news;
  });
}

}  // namespace imapfs::vfs
