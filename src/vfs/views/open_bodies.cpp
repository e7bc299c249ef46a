#include "vfs/views/open_bodies.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace imapfs::vfs {

void OpenBodies::add(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body, std::optional<Entry> entry) {
  // Swapped in, so that a replaced body is destroyed with the parameter, outside the lock.
  state_.with_lock([&](State& state) {
    auto& open = state.open[Key{node.id, handle}];
    ++open.count;
    open.body.swap(body);
    open.message = node.meaning;
    open.unread.reset();
    if (entry) open.entry = entry;
  });
}

bool OpenBodies::add_unread(const Unread& unread, std::optional<Entry> entry) {
  std::shared_ptr<sync::Body> replaced;
  return state_.with_lock([&](State& state) {
    auto& open = state.open[Key{unread.node.id, unread.handle}];
    ++open.count;
    if (entry) open.entry = entry;
    if (open.message != unread.node.meaning) {
      open.body.swap(replaced);
      open.unread.reset();
      open.message = unread.node.meaning;
    }
    // The kernel was told a size once; what the table has now may be known by others already.
    if (open.body || open.unread) return false;
    open.unread = unread;
    return !std::exchange(open.holds_news, true);
  });
}

std::optional<OpenBodies::Unread> OpenBodies::find_unread(NodeId node, HandleId handle) const {
  return state_.with_lock([&](const State& state) -> std::optional<Unread> {
    const auto found = state.open.find(Key{node, handle});
    return found == state.open.end() ? std::nullopt : found->second.unread;
  });
}

std::optional<OpenBodies::Unread> OpenBodies::find_unread(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<Unread> {
    for (auto open = state.open.lower_bound(Key{node, 0}); open != state.open.end() && open->first.first == node;
         ++open) {
      if (open->second.unread) return open->second.unread;
    }
    return std::nullopt;
  });
}

bool OpenBodies::stop_holding(NodeId node, HandleId handle) {
  return state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node, handle});
    return found != state.open.end() && std::exchange(found->second.holds_news, false);
  });
}

void OpenBodies::replace(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body) {
  const bool open = state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node.id, handle});
    if (found == state.open.end()) return false;
    found->second.message = node.meaning;
    if (found->second.entry) found->second.entry->attributes.size = body->length();
    found->second.unread.reset();
    found->second.body.swap(body);
    return true;
  });
  if (!open) add_unowned(node.id, handle, std::move(body));
}

void OpenBodies::drop_replaced(const Node& node, HandleId handle) {
  std::shared_ptr<sync::Body> replaced;
  state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node.id, handle});
    if (found == state.open.end()) return;
    auto& open = found->second;
    if (node.meaning.index == 0 || open.message.mailbox != node.meaning.mailbox || open.message == node.meaning) return;
    open.body.swap(replaced);
    open.unread.reset();
    open.message = node.meaning;
  });
}

void OpenBodies::keep_unproved(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body) {
  state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node, handle});
    if (found != state.open.end() && found->second.unread) found->second.body.swap(body);
  });
}

void OpenBodies::drop_unproved(NodeId node, HandleId handle, const std::shared_ptr<sync::Body>& body) {
  state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node, handle});
    // The caller holds it as well: nothing is destroyed here.
    if (found != state.open.end() && found->second.unread && found->second.body == body) found->second.body.reset();
  });
}

std::shared_ptr<sync::Body> OpenBodies::find_unfinished(NodeId node) const {
  std::vector<std::shared_ptr<sync::Body>> bodies;
  state_.with_lock([&](const State& state) {
    for (auto open = state.open.lower_bound(Key{node, 0}); open != state.open.end() && open->first.first == node;
         ++open) {
      bodies.push_back(open->second.body);
    }
  });
  const auto found = std::find_if(bodies.begin(), bodies.end(),
                                  [](const auto& body) { return body && !body->whole(); });
  return found == bodies.end() ? nullptr : *found;
}

void OpenBodies::add_unowned(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body) {
  std::shared_ptr<sync::Body> evicted;
  state_.with_lock([&](State& state) {
    for (auto& [key, known] : state.unowned) {
      if (key == Key{node, handle}) return known.swap(body);
    }
    state.unowned.emplace_back(Key{node, handle}, std::move(body));
    if (state.unowned.size() <= max_unowned) return;
    evicted = std::move(state.unowned.front().second);
    state.unowned.pop_front();
  });
}

bool OpenBodies::release(NodeId node, HandleId handle) {
  std::shared_ptr<sync::Body> closed;
  return state_.with_lock([&](State& state) {
    const auto found = state.open.find(Key{node, handle});
    if (found == state.open.end() || --found->second.count > 0) return false;
    closed = std::move(found->second.body);
    const bool held_news = found->second.holds_news;
    state.open.erase(found);
    return held_news;
  });
}

OpenBodies::Found OpenBodies::find(NodeId node, HandleId handle) const {
  return state_.with_lock([&](const State& state) -> Found {
    const Key key{node, handle};
    const auto found = state.open.find(key);
    if (found != state.open.end()) return {found->second.body, found->second.unread};
    for (const auto& [unowned_key, body] : state.unowned) {
      if (unowned_key == key) return {body, std::nullopt};
    }
    return {};
  });
}

std::optional<Entry> OpenBodies::find_entry(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<Entry> {
    const auto found = state.open.lower_bound(Key{node, 0});
    if (found == state.open.end() || found->first.first != node) return std::nullopt;
    return found->second.entry;
  });
}

std::size_t OpenBodies::size() const {
  return state_.with_lock([](const State& state) { return state.open.size() + state.unowned.size(); });
}

bool PushedBodies::begin(NodeId node, HandleId handle) {
  return state_.with_lock([&](State& state) {
    const auto [entry, inserted] = state.pushed.try_emplace(node, handle);
    if (!inserted && entry->second == handle) return false;
    entry->second = handle;
    state.order.push_back(node);
    if (state.order.size() > capacity) {
      state.pushed.erase(state.order.front());
      state.order.pop_front();
    }
    return true;
  });
}

void PushedBodies::forget(NodeId node) {
  state_.with_lock([&](State& state) { state.pushed.erase(node); });
}

}  // namespace imapfs::vfs
