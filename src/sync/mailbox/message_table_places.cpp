// Where the messages of a MessageTable are listed, and under which names.

#include <algorithm>
#include <mutex>

#include "sync/mailbox/message_table_state.hpp"

namespace imapfs::sync {

// -- Places --

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

// -- what is listed where --

MessageMeta MessageTable::State::meta(const MessageRow& row, std::string_view name) const {
  MessageMeta meta;
  meta.uid = row.uid;
  meta.internal_date = row.internal_date;
  meta.size = row.size;
  meta.size_is_exact = row.size_is_exact != 0;
  meta.modseq = row.modseq;
  meta.flags = flags.get(row.flags);
  meta.file_name = name;
  return meta;
}

MessageTable::Place MessageTable::State::place_of(const MessageRow& row) const {
  if (places.hidden(row.uid)) return places.flagged_soon(row.uid) ? Place::deleted : Place::hidden;
  return flags.get(row.flags).has(SystemFlag::deleted) ? Place::deleted : Place::listed;
}

std::string_view MessageTable::State::name_of(const MessageRow& row, std::string& scratch) const {
  if (places.local_names().empty()) return row.file_name();
  return name_of(row, places.local_name(row.uid), place_of(row), scratch);
}

std::string_view MessageTable::State::name_of(const MessageRow& row, const Places::LocalName* local, Place place,
                                              std::string& scratch) const {
  if (place == Place::hidden) return local != nullptr ? std::string_view(local->name) : row.file_name();
  if (local != nullptr && holder(place, local->name) == row.uid) return local->name;
  return own_name(row.file_name(), row.uid, place, scratch);
}

bool MessageTable::State::may_be_in(Place place, Uid uid) const {
  if (const auto* row = rows.find(uid); row != nullptr) return place_of(*row) == place;
  if (place != Place::listed || places.hidden(uid)) return false;
  return uid > (complete ? rows.last() : frontier);
}

std::optional<Uid> MessageTable::State::holder(Place place, std::string_view name) const {
  const auto* in_order = places.named(name);
  if (in_order == nullptr) return std::nullopt;
  for (auto entry = in_order->rbegin(); entry != in_order->rend(); ++entry)
    if (may_be_in(place, entry->second)) return entry->second;
  return std::nullopt;
}

bool MessageTable::State::is_given_away(Place place, std::string_view name) const {
  const auto* in_order = places.named(name);
  return in_order != nullptr && std::any_of(in_order->begin(), in_order->end(), [&](const auto& given) {
           return places.hidden(given.second) || may_be_in(place, given.second);
         });
}

std::string_view MessageTable::State::own_name(std::string_view rendered, Uid uid, Place place,
                                               std::string& scratch) const {
  auto name = rendered;
  for (std::size_t pluses = 1; is_given_away(place, name); ++pluses) {
    auto other = templates.distinct(rendered, uid, pluses);
    // Everything that it could be called is given to others: who was given a name is found by it.
    if (!other) return rendered;
    scratch = std::move(*other);
    name = scratch;
  }
  return name;
}

const MessageRow* MessageTable::State::find_in(Place place, std::string_view name) const {
  if (const auto given = holder(place, name)) return rows.find(*given);
  std::string scratch;
  for (const auto uid : templates.possible_uids(name)) {
    const auto* row = rows.find(uid);
    if (row != nullptr && place_of(*row) == place && name_of(*row, scratch) == name) return row;
  }
  return nullptr;
}

// -- MessageTable --

std::optional<MessageMeta> MessageTable::find(Uid uid) const {
  std::shared_lock lock(mutex_);
  const auto* row = state_->rows.find(uid);
  if (row == nullptr) return std::nullopt;
  std::string scratch;
  return state_->meta(*row, state_->name_of(*row, scratch));
}

std::optional<MessageMeta> MessageTable::find_original(Uid uid) const {
  std::shared_lock lock(mutex_);
  const auto* row = state_->rows.find(uid);
  if (row == nullptr) return std::nullopt;
  return state_->meta(*row, row->file_name());
}

std::optional<MessageTable::Place> MessageTable::place(Uid uid) const {
  std::shared_lock lock(mutex_);
  const auto* row = state_->rows.find(uid);
  if (row == nullptr) return std::nullopt;
  return state_->place_of(*row);
}

std::optional<MessageMeta> MessageTable::find_in(Place place, std::string_view name) const {
  std::shared_lock lock(mutex_);
  const auto* row = state_->find_in(place, name);
  if (row == nullptr) return std::nullopt;
  return state_->meta(*row, name);
}

std::string MessageTable::name_if_listed(Uid uid, const std::string& rendered) const {
  std::shared_lock lock(mutex_);
  const auto* local = state_->places.local_name(uid);
  if (local != nullptr && state_->holder(Place::listed, local->name) == uid) return local->name;
  std::string scratch;
  return std::string(state_->own_name(rendered, uid, Place::listed, scratch));
}

std::vector<MessageTable::Named> MessageTable::rivals(std::string_view name) const {
  std::vector<Named> found;
  std::string scratch;
  std::shared_lock lock(mutex_);
  auto uids = state_->places.uids_named(name);
  const auto possible = templates_.possible_uids(name);
  uids.insert(uids.end(), possible.begin(), possible.end());
  for (const auto uid : uids) {
    const auto* row = state_->rows.find(uid);
    if (row != nullptr && state_->place_of(*row) == Place::listed)
      found.push_back({uid, std::string(state_->name_of(*row, scratch))});
  }
  return found;
}

std::optional<MessageMeta> MessageTable::find_by_name(std::string_view name) const {
  return find_in(Place::listed, name);
}

std::optional<MessageMeta> MessageTable::find_deleted_by_name(std::string_view name) const {
  return find_in(Place::deleted, name);
}

bool MessageTable::hidden(Uid uid) const {
  std::shared_lock lock(mutex_);
  return state_->places.hidden(uid);
}

std::optional<std::string> MessageTable::local_name(Uid uid) const {
  std::shared_lock lock(mutex_);
  const auto* local = state_->places.local_name(uid);
  if (local == nullptr) return std::nullopt;
  return local->name;
}

std::vector<Uid> MessageTable::uids_named(std::string_view name) const {
  std::shared_lock lock(mutex_);
  auto uids = state_->places.uids_named(name);
  std::erase_if(uids, [&](Uid uid) { return state_->places.hidden(uid); });
  return uids;
}

UidSet MessageTable::locally_named() const {
  std::shared_lock lock(mutex_);
  std::vector<Uid> uids;
  for (const auto& [uid, local] : state_->places.local_names()) uids.push_back(uid);
  return UidSet::of(std::move(uids));
}

std::vector<Uid> MessageTable::deleted() const {
  std::shared_lock lock(mutex_);
  const auto& state = *state_;
  std::vector<Uid> uids;
  state.rows.visit_after(Uid{0}, [&](const MessageRow& row) {
    if (state.place_of(row) == Place::deleted) uids.push_back(row.uid);
    return true;
  });
  return uids;
}

MessageTable::Page MessageTable::visit_after(Uid after, std::size_t limit,
                                             const std::function<bool(const RowView&)>& row) const {
  std::shared_lock lock(mutex_);
  Page page;
  const auto& state = *state_;
  // What is said of few messages is walked along with the rows.
  const auto& all_hidden = state.places.all_hidden();
  const auto& local_names = state.places.local_names();
  auto hidden = all_hidden.upper_bound(after);
  auto local = local_names.upper_bound(after);
  std::string scratch;
  const bool to_the_end = state.rows.visit_after(after, [&](const MessageRow& found) {
    if (!state.complete && found.uid > state.frontier) return false;
    while (hidden != all_hidden.end() && *hidden < found.uid) ++hidden;
    while (local != local_names.end() && local->first < found.uid) ++local;
    if (hidden != all_hidden.end() && *hidden == found.uid) return true;
    if (state.flags.get(found.flags).has(SystemFlag::deleted)) return true;
    if (page.rows >= limit) return false;
    const bool renamed = local != local_names.end() && local->first == found.uid;
    const auto name = local_names.empty()
                          ? found.file_name()
                          : state.name_of(found, renamed ? &local->second : nullptr, Place::listed, scratch);
    if (!row({found.uid, found.internal_date, found.size, name, false})) return false;
    ++page.rows;
    return true;
  });
  page.at_end = state.complete && to_the_end;
  return page;
}

std::vector<Uid> MessageTable::State::change_places(const UidSet& uids, const std::function<bool(Uid)>& change) const {
  std::vector<Uid> changed;
  for (const auto& range : uids.ranges()) {
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid) {
      const Uid one{static_cast<std::uint32_t>(uid)};
      if (change(one) && rows.find(one) != nullptr) changed.push_back(one);
    }
  }
  return changed;
}

std::vector<Uid> MessageTable::set_hidden(const UidSet& uids, bool hidden) {
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  if (hidden) return state.change_places(uids, [&](Uid uid) { return state.places.hide(uid); });
  auto changed = state.places.show(uids);
  std::erase_if(changed, [&](Uid uid) { return state.rows.find(uid) == nullptr; });
  return changed;
}

std::vector<Uid> MessageTable::set_flagged_soon(const UidSet& uids) {
  std::unique_lock lock(mutex_);
  auto& state = *state_;
  return state.change_places(uids, [&](Uid uid) { return state.places.flag_soon(uid); });
}

void MessageTable::set_local_name(Uid uid, const std::string& name) {
  if (uid.value == 0) return;
  std::unique_lock lock(mutex_);
  state_->places.set_local_name(uid, std::string_view(name).substr(0, MessageRow::longest_name));
}

void MessageTable::add_earlier_names(const std::vector<std::pair<Uid, std::string>>& names) {
  std::unique_lock lock(mutex_);
  state_->places.add_earlier_names(names);
}

}  // namespace imapfs::sync
