#include "reference.hpp"

namespace imapfs::testing::model {
namespace {

/// Between how many and how many.
struct Bounds {
  int least = 0;
  int most = 0;
};

bool living(const Place& place) { return place.state == Place::State::living; }

std::string complaint(const std::string& what, const Bounds& bounds, int found) {
  return what + ": " + std::to_string(found) + " found, expected " + std::to_string(bounds.least) +
         (bounds.most != bounds.least ? " to " + std::to_string(bounds.most) : "") + "\n";
}

std::string without_version(const std::string& key) { return key.substr(0, key.find('.')); }

int count_in(const Census& found, const std::string& mailbox, const std::string& key) {
  const auto keys = found.find(mailbox);
  if (keys == found.end()) return 0;
  const auto count = keys->second.find(key);
  return count == keys->second.end() ? 0 : count->second;
}

}  // namespace

std::string Reference::classify(const Census& found, const Census& deleted) const {
  std::map<std::pair<std::string, std::string>, Bounds> here;  // by mailbox and key
  std::map<std::string, Bounds> anywhere;  // by message: an unclear rewrite leaves one version or the other
  for (const auto& copy : copies) {
    const bool exists = std::all_of(copy.places.begin(), copy.places.end(), living);
    const bool may_exist = std::any_of(copy.places.begin(), copy.places.end(), living);
    auto& total = anywhere[without_version(copy.place().key)];
    total.least += exists ? 1 : 0;
    total.most += may_exist ? 1 : 0;
    for (const auto& place : copy.places) {
      if (!living(place)) continue;
      auto& bounds = here[{place.mailbox, place.key}];
      bounds.least += copy.certain() ? 1 : 0;
      bounds.most += 1;
    }
  }
  std::string wrong;
  std::map<std::string, int> totals;
  for (const auto& [mailbox, keys] : found)
    for (const auto& [key, count] : keys) {
      totals[without_version(key)] += count;
      here[{mailbox, key}];  // what was not expected at all
    }
  for (const auto& [where, bounds] : here) {
    const int count = count_in(found, where.first, where.second);
    if (count < bounds.least || count > bounds.most)
      wrong += complaint(where.second + " in " + where.first, bounds, count);
  }
  for (const auto& [message, bounds] : anywhere) {
    const int count = totals[message];
    if (count < bounds.least || count > bounds.most)
      wrong += complaint("message " + message + " anywhere", bounds, count);
  }
  std::map<std::pair<std::string, std::string>, int> kept;
  for (const auto& copy : copies)
    if (copy.certain() && copy.place().state == Place::State::deleted) ++kept[{copy.place().mailbox, copy.place().key}];
  for (const auto& [where, least] : kept) {
    const int count = count_in(deleted, where.first, where.second);
    if (count < least) wrong += complaint(where.second + " flagged \\Deleted in " + where.first, {least, least}, count);
  }
  return wrong;
}

}  // namespace imapfs::testing::model
