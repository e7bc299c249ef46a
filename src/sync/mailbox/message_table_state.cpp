#include "sync/mailbox/message_table_state.hpp"

#include <algorithm>

namespace imapfs::sync {

void MessageTable::State::set_name(MessageRow& row, std::string_view name) {
  name = name.substr(0, MessageRow::longest_name);
  if (row.name != nullptr && row.file_name() == name) return;
  names.discard(row.name_length);
  row.name = names.store(name);
  row.name_length = name.size() & MessageRow::longest_name;
}

void MessageTable::State::replace_flags(MessageRow& row, const FlagSet& wanted) {
  const auto before = row.flags;
  row.flags = flags.acquire(wanted);
  flags.release(before);
}

void MessageTable::State::compact_names() {
  if (!names.wasteful()) return;
  NameArena compacted;
  rows.visit_all([&](MessageRow& row) { row.name = compacted.store(row.file_name()); });
  names = std::move(compacted);
}

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
    // Every possible name is given to other messages, and lookups by it find those.
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

}  // namespace imapfs::sync
