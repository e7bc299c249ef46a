#include "sync/changes/own_arrivals.hpp"

#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_remembered = 65'536;

}  // namespace

LocationKey key_of(const store::JournalLocation& place) {
  return {place.mailbox, place.uid_validity.value, place.uid.value};
}

void OwnArrivals::remember(ChangeId change, const store::JournalLocation& place) {
  auto state = state_.lock();
  state->by_change[change] = place;
  if (place.uid.value != 0) state->by_place.insert(key_of(place));
  if (state->by_change.size() <= most_remembered) return;
  state->by_place.erase(key_of(state->by_change.begin()->second));
  state->by_change.erase(state->by_change.begin());
}

std::optional<store::JournalLocation> OwnArrivals::place_of(ChangeId change) const {
  return state_.with_lock([&](const State& state) -> std::optional<store::JournalLocation> {
    const auto found = state.by_change.find(change);
    if (found == state.by_change.end()) return std::nullopt;
    return found->second;
  });
}

bool OwnArrivals::contains(const store::JournalLocation& place) const {
  return state_.with_lock([&](const State& state) { return state.by_place.contains(key_of(place)); });
}

bool OwnArrivals::claim(const store::JournalLocation& place) {
  return state_.lock()->by_place.insert(key_of(place)).second;
}

Uid OwnArrivals::highest_in(const std::string& mailbox, UidValidity validity) const {
  return state_.with_lock([&](const State& state) -> Uid {
    auto after = state.by_place.upper_bound({mailbox, validity.value, UINT32_MAX});
    if (after == state.by_place.begin()) return {};
    const auto& [name, its_validity, uid] = *--after;
    return name == mailbox && its_validity == validity.value ? Uid{uid} : Uid{};
  });
}

void OwnArrivals::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  auto state = state_.lock();
  state->by_place.clear();
  for (auto& [change, place] : state->by_change) {
    place.mailbox = renamed_mailbox(place.mailbox, from, to, delimiter);
    if (place.uid.value != 0) state->by_place.insert(key_of(place));
  }
}

}  // namespace imapfs::sync
