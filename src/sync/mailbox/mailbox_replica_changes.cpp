// Changes of our own in a MailboxReplica, and what is news for whom when a message comes, goes or moves to .deleted.

#include <algorithm>
#include <utility>

#include "sync/mailbox/mailbox_replica.hpp"

namespace imapfs::sync {
namespace {

using Place = MessageTable::Place;

/// A server that never sends the rows of what it says it has taken costs no more than this.
constexpr std::size_t most_expected = 100'000;

std::vector<std::pair<Uid, std::string>> as_pairs(const std::vector<store::LocalName>& names) {
  std::vector<std::pair<Uid, std::string>> pairs;
  pairs.reserve(names.size());
  for (const auto& local : names) pairs.emplace_back(local.uid, local.name);
  return pairs;
}

}  // namespace

// -- news, with the lock held --

ChangeListener::MailboxChange& MailboxReplica::change_for_removal() {
  if (!noted_.changes.empty() && !noted_.changes.back().added.empty()) noted_.changes.emplace_back();
  return change();
}

void MailboxReplica::note_new_row(Uid uid, bool listing) {
  const bool ours = !expected_.empty() && expected_.erase(uid) > 0;
  if ((listing && !ours) || held_back_.contains(uid)) return;
  const auto place = table_->place(uid).value_or(Place::hidden);
  if (place == Place::hidden) return;
  auto& news = change();
  if (place == Place::deleted) {
    news.deleted_changed = true;
  } else {
    (ours ? news.added_by_us : news.added).push_back({uid, table_->find(uid)->file_name});
  }
}

void MailboxReplica::note_move(Uid uid, Place before, std::string name_before) {
  if (before == Place::listed) {
    auto& news = change_for_removal();
    news.removed.push_back({uid, std::move(name_before)});
    news.deleted_changed = true;
  } else {
    auto& news = change();
    news.added.push_back({uid, table_->find(uid)->file_name});
    news.deleted_changed = true;
  }
  witness_change();
}

void MailboxReplica::note_removed(WritableMessageTable::Removed removed) {
  // Nobody has seen it.
  if (held_back_.erase(removed.uid) > 0) return;
  ChangeListener::MailboxChange::Entry entry{removed.uid, std::move(removed.file_name)};
  if (removed.place == Place::hidden) {
    change_for_removal().removed_by_us.push_back(std::move(entry));
  } else if (removed.place == Place::deleted) {
    change_for_removal().deleted_changed = true;
  } else {
    change_for_removal().removed.push_back(std::move(entry));
    witness_change();
  }
}

MailboxReplica::Rivals MailboxReplica::rivals_of(const UidSet& uids) const {
  Rivals rivals;
  const auto named = table_->locally_named();
  if (named.empty()) return rivals;
  const auto those = subtract(named, subtract(named, uids));
  for (const auto& range : those.ranges())
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
      add_rivals(rivals, table_->local_name(Uid{static_cast<std::uint32_t>(uid)}).value_or(std::string()));
  std::erase_if(rivals, [&](const auto& rival) { return uids.contains(rival.first); });
  return rivals;
}

MailboxReplica::Rivals MailboxReplica::rivals_of(Uid uid, const std::string& new_name) const {
  Rivals rivals;
  add_rivals(rivals, table_->local_name(uid).value_or(std::string()));
  add_rivals(rivals, new_name);
  rivals.erase(uid);
  return rivals;
}

void MailboxReplica::add_rivals(Rivals& rivals, const std::string& name) const {
  if (name.empty()) return;
  for (auto& rival : table_->rivals(name)) rivals.emplace(rival.uid, std::move(rival.file_name));
}

void MailboxReplica::note_rivals(const Rivals& before) {
  for (const auto& [uid, name] : before) {
    const auto now = table_->place(uid) == Place::listed ? table_->find(uid) : std::nullopt;
    if (!now || now->file_name == name) continue;
    change_for_removal().removed.push_back({uid, name});
    change().added.push_back({uid, now->file_name});
    witness_change();
  }
}

// -- on their way out --

void MailboxReplica::hide(const UidSet& uids) {
  const Lock lock(mutex_);
  const auto rivals = rivals_of(uids);
  if (!table_->set_hidden(uids, true).empty()) witness_change();
  // What others brought and nobody was told of stays untold.
  std::erase_if(held_back_, [&](Uid uid) { return uids.contains(uid); });
  note_rivals(rivals);
}

void MailboxReplica::hide_into_deleted(const UidSet& uids) {
  const Lock lock(mutex_);
  const auto rivals = rivals_of(uids);
  if (!table_->set_flagged_soon(uids).empty()) {
    witness_change();
    change().deleted_changed = true;
  }
  std::erase_if(held_back_, [&](Uid uid) { return uids.contains(uid); });
  note_rivals(rivals);
}

void MailboxReplica::show_again(const UidSet& uids) {
  const Lock lock(mutex_);
  const auto rivals = rivals_of(uids);
  for (const Uid uid : table_->set_hidden(uids, false)) {
    if (held_back_.contains(uid)) {
      table_->set_hidden(UidSet::single(uid), true);
      continue;
    }
    const auto row = table_->find(uid);
    auto& news = change();
    if (table_->place(uid) == Place::deleted) {
      news.removed_by_us.push_back({uid, row->file_name});
      news.deleted_changed = true;
    } else {
      news.added.push_back({uid, row->file_name});
      witness_change();
    }
  }
  note_rivals(rivals);
}

// -- arrivals --

void MailboxReplica::begin_arrivals() {
  const Lock lock(mutex_);
  ++arrivals_;
}

void MailboxReplica::end_arrivals(UidValidity validity, const std::vector<OwnArrival>& own) {
  const Lock lock(mutex_);
  if (arrivals_ > 0) --arrivals_;
  if (table_->uid_validity() == validity)
    for (const auto& arrival : own) show_arrival(arrival.uid, arrival.file_name);
  if (arrivals_ == 0) show_held_back();
}

void MailboxReplica::show_arrival(Uid uid, const std::string& file_name) {
  const auto rivals = rivals_of(uid, file_name);
  place_arrival(uid, file_name);
  note_rivals(rivals);
}

void MailboxReplica::place_arrival(Uid uid, const std::string& file_name) {
  const auto before = table_->find(uid);
  const bool was_listed = table_->place(uid) == Place::listed;
  if (!file_name.empty()) table_->set_local_name(uid, file_name);
  if (!before) {
    // Whatever hid it was about what ends here: its row is to be seen when it comes.
    table_->set_hidden(UidSet::single(uid), false);
    if (uid.value != 0 && expected_.size() < most_expected) expected_.insert(uid);
    return;
  }
  table_->set_hidden(UidSet::single(uid), false);
  held_back_.erase(uid);
  const auto after = table_->find(uid);
  if (table_->place(uid) == Place::deleted) {
    change().deleted_changed = true;
    return;
  }
  // The news was faster than the command's answer: the kernel has heard of it under another name.
  if (was_listed && before->file_name != after->file_name)
    change_for_removal().removed.push_back({uid, before->file_name});
  if (!was_listed) change().added_by_us.push_back({uid, after->file_name});
  witness_change();
}

void MailboxReplica::show_held_back() {
  for (const Uid uid : std::exchange(held_back_, {})) {
    const auto rivals = rivals_of(uid);
    table_->set_hidden(UidSet::single(uid), false);
    note_new_row(uid, false);
    witness_change();
    note_rivals(rivals);
  }
}

// -- names --

void MailboxReplica::set_local_name(Uid uid, const std::string& name, Uid replaces) {
  const Lock lock(mutex_);
  auto rivals = rivals_of(uid, name);
  rivals.erase(replaces);
  table_->set_local_name(uid, name);
  witness_change();
  note_rivals(rivals);
}

void MailboxReplica::load_local_names(const std::vector<store::LocalName>& names) {
  const Lock lock(mutex_);
  const auto known = table_->locally_named();
  for (const auto& range : known.ranges())
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
      table_->set_local_name(Uid{static_cast<std::uint32_t>(uid)}, {});
  table_->add_earlier_names(as_pairs(names));
}

void MailboxReplica::know_local_names(UidValidity validity) {
  if (!dependencies_.local_names) return;
  {
    const Lock lock(mutex_);
    if (names_known_for_ == validity) return;
    names_known_for_ = validity;
  }
  const auto names = dependencies_.local_names(identity_.name, validity);
  const Lock lock(mutex_);
  if (table_->uid_validity() != validity) return;
  // A name given while these were read is newer.
  table_->add_earlier_names(as_pairs(names));
}

bool MailboxReplica::local_names_known() const {
  const Lock lock(mutex_);
  return !dependencies_.local_names || names_known_for_ == table_->uid_validity();
}

bool MailboxReplica::keeps_places(UidValidity next) const {
  const auto now = table_->uid_validity();
  return now == next || (now.value == 0 && (!names_known_for_ || *names_known_for_ == next));
}

void MailboxReplica::note_unused_names(const UidSet& gone) {
  const auto named = table_->locally_named();
  if (named.empty()) return;
  auto unused = subtract(named, subtract(named, gone));
  if (!unused.empty()) noted_.unused_names.push_back({table_->uid_validity(), std::move(unused)});
}

void MailboxReplica::forget_what_is_gone(Uid uid_next) {
  if (uid_next.value <= 1) return;
  std::erase_if(expected_, [&](Uid uid) { return uid < uid_next; });
  const auto named = table_->locally_named();
  if (named.empty()) return;
  // What came after the SELECT may have no row yet.
  auto gone = subtract(subtract(named, UidSet::range(uid_next, Uid{UINT32_MAX})), table_->uids());
  if (gone.empty()) return;
  const auto rivals = rivals_of(gone);
  note_unused_names(gone);
  table_->remove(gone);
  note_rivals(rivals);
}

MessageMeta MailboxReplica::with_local_name(MessageMeta meta) const {
  if (!meta.flags.has(SystemFlag::deleted) && !table_->hidden(meta.uid)) {
    meta.file_name = table_->name_if_listed(meta.uid, meta.file_name);
  } else if (auto local = table_->local_name(meta.uid)) {
    meta.file_name = std::move(*local);
  }
  return meta;
}

}  // namespace imapfs::sync
