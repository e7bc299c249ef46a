// Where the messages of a MessageTable are listed, and under which names.

#include <algorithm>
#include <mutex>

#include "message_table_state.hpp"

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

std::vector<Uid> Places::uids_named(std::string_view name) const {
  std::vector<Uid> uids;
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return uids;
  for (auto entry = found->second.rbegin(); entry != found->second.rend(); ++entry) uids.push_back(entry->second);
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

std::string_view MessageTable::State::name_of(const MessageRow& row) const {
  const auto* local = places.local_name(row.uid);
  return local == nullptr ? row.file_name() : name_of(row, *local, place_of(row));
}

std::string_view MessageTable::State::name_of(const MessageRow& row, const Places::LocalName& local,
                                              Place place) const {
  constexpr int patience = 8;
  if (place == Place::hidden || has_its_local_name(row, local, place, patience)) return local.name;
  return row.file_name();
}

bool MessageTable::State::has_its_local_name(const MessageRow& row, const Places::LocalName& local, Place place,
                                             int patience) const {
  for (const auto uid : places.uids_named(local.name)) {
    if (uid == row.uid) break;
    const auto* later = rows.find(uid);
    if (later != nullptr && place_of(*later) == place) return false;
  }
  const auto* made_it = find_by_template(place, local.name);
  if (made_it == nullptr || made_it == &row) return true;
  // `mv a x; mv b a`: a's own message goes by another name now.
  const auto* its_local = places.local_name(made_it->uid);
  return its_local != nullptr && (patience == 0 || has_its_local_name(*made_it, *its_local, place, patience - 1));
}

const MessageRow* MessageTable::State::find_by_template(Place place, std::string_view name) const {
  for (const auto uid : templates.possible_uids(name)) {
    const auto* row = rows.find(uid);
    if (row != nullptr && row->file_name() == name && place_of(*row) == place) return row;
  }
  return nullptr;
}

std::optional<MessageMeta> MessageTable::State::find_in(Place place, std::string_view name) const {
  const auto here = [&](Uid uid) {
    const auto* row = rows.find(uid);
    return row != nullptr && place_of(*row) == place ? row : nullptr;
  };
  for (const auto uid : places.uids_named(name))
    if (const auto* row = here(uid); row != nullptr && name_of(*row) == name) return meta(*row, name);
  if (const auto* row = find_by_template(place, name); row != nullptr && name_of(*row) == name) return meta(*row, name);
  const auto short_form = mime::NameTemplate::short_form(name);
  if (!short_form) return std::nullopt;
  const auto* row = here(*short_form);
  if (row == nullptr) return std::nullopt;
  return meta(*row, name_of(*row));
}

// -- MessageTable --

std::optional<MessageMeta> MessageTable::find(Uid uid) const {
  std::shared_lock lock(mutex_);
  const auto* row = state_->rows.find(uid);
  if (row == nullptr) return std::nullopt;
  return state_->meta(*row, state_->name_of(*row));
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

std::optional<MessageMeta> MessageTable::find_by_name(std::string_view name) const {
  std::shared_lock lock(mutex_);
  return state_->find_in(Place::listed, name);
}

std::optional<MessageMeta> MessageTable::find_deleted_by_name(std::string_view name) const {
  std::shared_lock lock(mutex_);
  return state_->find_in(Place::deleted, name);
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
  const bool to_the_end = state.rows.visit_after(after, [&](const MessageRow& found) {
    if (!state.complete && found.uid > state.frontier) return false;
    while (hidden != all_hidden.end() && *hidden < found.uid) ++hidden;
    while (local != local_names.end() && local->first < found.uid) ++local;
    if (hidden != all_hidden.end() && *hidden == found.uid) return true;
    if (state.flags.get(found.flags).has(SystemFlag::deleted)) return true;
    if (page.rows >= limit) return false;
    const bool renamed = local != local_names.end() && local->first == found.uid;
    const auto name = renamed ? state.name_of(found, local->second, Place::listed) : found.file_name();
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
