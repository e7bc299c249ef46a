#include "imapfs/vfs/announcements.hpp"

#include <utility>

namespace imapfs::vfs {

Announcements::Id Announcements::begin(Announcement announcement) {
  return state_.with_lock([&](State& state) {
    const Id id = state.next_id++;
    state.standing.emplace(id, std::move(announcement));
    return id;
  });
}

void Announcements::end(Id id) {
  state_.with_lock([&](State& state) { state.standing.erase(id); });
}

std::optional<Announcement> Announcements::find(NodeId parent, std::string_view name) const {
  return state_.with_lock([&](const State& state) -> std::optional<Announcement> {
    for (auto entry = state.standing.rbegin(); entry != state.standing.rend(); ++entry) {
      if (entry->second.parent == parent && entry->second.name == name) return entry->second;
    }
    return std::nullopt;
  });
}

std::optional<Announcement> Announcements::find(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<Announcement> {
    for (auto entry = state.standing.rbegin(); entry != state.standing.rend(); ++entry) {
      if (entry->second.node == node) return entry->second;
    }
    return std::nullopt;
  });
}

}  // namespace imapfs::vfs
