#include "imapfs/sync/message_table.hpp"

#include <algorithm>
#include <mutex>

#include "sync/mailbox/message_table_state.hpp"

namespace imapfs::sync {

MessageTable::MessageTable(mime::NameTemplate templates)
    : templates_(std::move(templates)), state_(std::make_unique<State>(templates_)) {}
MessageTable::~MessageTable() = default;

bool MessageTable::complete() const {
  std::shared_lock lock(mutex_);
  return state_->complete;
}

Uid MessageTable::frontier() const {
  std::shared_lock lock(mutex_);
  return state_->frontier;
}

std::size_t MessageTable::size() const {
  std::shared_lock lock(mutex_);
  return state_->rows.size();
}

UidSet MessageTable::uids() const {
  std::shared_lock lock(mutex_);
  UidSet set;
  Uid first;
  Uid last;
  state_->rows.visit_after(Uid{0}, [&](const MessageRow& row) {
    if (first.value != 0 && row.uid.value != last.value + 1) {
      set.add(first, last);
      first = Uid{};
    }
    if (first.value == 0) first = row.uid;
    last = row.uid;
    return true;
  });
  if (first.value != 0) set.add(first, last);
  return set;
}

UidValidity MessageTable::uid_validity() const {
  std::shared_lock lock(mutex_);
  return state_->uid_validity;
}

std::size_t MessageTable::memory_bytes() const {
  std::shared_lock lock(mutex_);
  return sizeof(*this) + sizeof(State) + state_->rows.memory_bytes() + state_->names.memory_bytes() +
         state_->flags.memory_bytes() + state_->places.memory_bytes();
}

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
  // Iterate over the places in parallel with the rows.
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

}  // namespace imapfs::sync
