#include "sync/mailbox/message_places.hpp"

#include <algorithm>

namespace imapfs::sync {

std::vector<Uid> Places::show(const UidSet& uids) {
  std::vector<Uid> shown;
  for (const auto& range : uids.ranges()) {
    auto hidden = hidden_.lower_bound(Uid{range.first});
    while (hidden != hidden_.end() && hidden->value <= range.last) {
      shown.push_back(*hidden);
      flagged_soon_.erase(*hidden);
      hidden = hidden_.erase(hidden);
    }
  }
  return shown;
}

const Places::LocalName* Places::local_name(Uid uid) const {
  if (local_names_.empty()) return nullptr;
  const auto found = local_names_.find(uid);
  return found == local_names_.end() ? nullptr : &found->second;
}

const std::map<std::uint64_t, Uid>* Places::named(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

std::vector<Uid> Places::uids_named(std::string_view name) const {
  std::vector<Uid> uids;
  const auto* in_order = named(name);
  if (in_order == nullptr) return uids;
  for (auto entry = in_order->rbegin(); entry != in_order->rend(); ++entry) uids.push_back(entry->second);
  return uids;
}

void Places::drop_from_index(const LocalName& local) {
  const auto named = by_name_.find(local.name);
  if (named == by_name_.end()) return;
  named->second.erase(local.order);
  if (named->second.empty()) by_name_.erase(named);
}

void Places::set_local_name(Uid uid, std::string_view name) {
  const auto known = local_names_.find(uid);
  if (known != local_names_.end()) {
    drop_from_index(known->second);
    if (name.empty()) local_names_.erase(known);
  }
  if (name.empty()) return;
  const LocalName local{std::string(name), ++last_order_};
  by_name_[local.name].emplace(local.order, uid);
  local_names_.insert_or_assign(uid, local);
}

void Places::add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names) {
  std::map<std::uint64_t, std::pair<Uid, std::string>> later;
  for (const auto& [uid, local] : local_names_) later.emplace(local.order, std::pair(uid, local.name));
  local_names_.clear();
  by_name_.clear();
  for (const auto& [uid, name] : names) set_local_name(uid, name);
  for (const auto& [order, given] : later) set_local_name(given.first, given.second);
}

void Places::forget(const UidSet& uids) {
  show(uids);
  for (const auto& range : uids.ranges()) {
    auto local = local_names_.lower_bound(Uid{range.first});
    while (local != local_names_.end() && local->first.value <= range.last) {
      drop_from_index(local->second);
      local = local_names_.erase(local);
    }
  }
}

std::size_t Places::memory_bytes() const {
  constexpr std::size_t node_overhead = 48;
  std::size_t bytes = (hidden_.size() + flagged_soon_.size()) * (sizeof(Uid) + node_overhead);
  for (const auto& [uid, local] : local_names_)
    bytes += 2 * (local.name.capacity() + sizeof(local) + 2 * node_overhead);
  return bytes;
}

}  // namespace imapfs::sync
