#include "sync/mailbox/own_changes.hpp"

#include <utility>

namespace imapfs::sync {
namespace {

/// The most arrivals to expect, for a server that never sends the rows of messages it claims to have.
constexpr std::size_t most_expected = 100'000;

}  // namespace

// -- on their way out --

void OwnChanges::hide(const UidSet& uids) {
  const auto lock = news_.lock();
  const auto rivals = row_news_.rivals_of(uids);
  if (!table_.set_hidden(uids, true).empty()) record_.witness_change();
  hide_from_news(uids);
  row_news_.renamed(rivals);
}

void OwnChanges::hide_into_deleted(const UidSet& uids) {
  const auto lock = news_.lock();
  const auto rivals = row_news_.rivals_of(uids);
  if (!table_.set_flagged_soon(uids).empty()) {
    record_.witness_change();
    news_.change().deleted_changed = true;
  }
  hide_from_news(uids);
  row_news_.renamed(rivals);
}

/// Messages of others that were not announced yet are not announced later.
void OwnChanges::hide_from_news(const UidSet& uids) {
  std::erase_if(held_back_, [&](Uid uid) { return uids.contains(uid); });
}

void OwnChanges::show_again(const UidSet& uids) {
  const auto lock = news_.lock();
  const auto rivals = row_news_.rivals_of(uids);
  for (const Uid uid : table_.set_hidden(uids, false)) {
    if (held_back_.contains(uid)) {
      table_.set_hidden(UidSet::single(uid), true);
      continue;
    }
    const auto row = table_.find(uid);
    auto& news = news_.change();
    if (table_.place(uid) == Place::deleted) {
      news.removed_by_us.push_back({uid, row->file_name});
      news.deleted_changed = true;
    } else {
      news.added.push_back({uid, row->file_name});
      record_.witness_change();
    }
  }
  row_news_.renamed(rivals);
}

// -- arrivals --

void OwnChanges::begin_arrivals() {
  const auto lock = news_.lock();
  ++arrivals_;
}

void OwnChanges::end_arrivals(UidValidity validity, const std::vector<OwnArrival>& own) {
  const auto lock = news_.lock();
  if (arrivals_ > 0) --arrivals_;
  if (table_.uid_validity() == validity)
    for (const auto& arrival : own) show_arrival(arrival.uid, arrival.file_name);
  if (arrivals_ == 0) show_held_back();
}

void OwnChanges::show_arrival(Uid uid, const std::string& file_name) {
  const auto rivals = row_news_.rivals_of(uid, file_name);
  place_arrival(uid, file_name);
  row_news_.renamed(rivals);
}

void OwnChanges::place_arrival(Uid uid, const std::string& file_name) {
  const auto before = table_.find(uid);
  const bool was_listed = table_.place(uid) == Place::listed;
  if (!file_name.empty()) table_.set_local_name(uid, file_name);
  if (!before) {
    // The change that hid it ends here: show its row when it comes.
    table_.set_hidden(UidSet::single(uid), false);
    if (uid.value != 0 && expected_.size() < most_expected) expected_.insert(uid);
    return;
  }
  table_.set_hidden(UidSet::single(uid), false);
  held_back_.erase(uid);
  const auto after = table_.find(uid);
  if (table_.place(uid) == Place::deleted) {
    news_.change().deleted_changed = true;
    return;
  }
  // The row came before the command's answer: the kernel knows it under another name.
  if (was_listed && before->file_name != after->file_name)
    news_.change_for_removal().removed.push_back({uid, before->file_name});
  if (!was_listed) news_.change().added_by_us.push_back({uid, after->file_name});
  record_.witness_change();
}

void OwnChanges::show_held_back() {
  for (const Uid uid : std::exchange(held_back_, {})) {
    const auto rivals = row_news_.rivals_of(uid);
    table_.set_hidden(UidSet::single(uid), false);
    row_added(uid, false);
    record_.witness_change();
    row_news_.renamed(rivals);
  }
}

void OwnChanges::set_local_name(Uid uid, const std::string& name, Uid replaces) {
  const auto lock = news_.lock();
  auto rivals = row_news_.rivals_of(uid, name);
  rivals.erase(replaces);
  table_.set_local_name(uid, name);
  record_.witness_change();
  row_news_.renamed(rivals);
}

// -- rows that come and go meanwhile --

void OwnChanges::hold_back(Uid uid) {
  if (arrivals_ == 0 || expected_.contains(uid) || table_.hidden(uid)) return;
  table_.set_hidden(UidSet::single(uid), true);
  held_back_.insert(uid);
}

void OwnChanges::row_added(Uid uid, bool listing) {
  const bool ours = !expected_.empty() && expected_.erase(uid) > 0;
  if ((listing && !ours) || held_back_.contains(uid)) return;
  row_news_.added(uid, ours);
}

void OwnChanges::row_removed(WritableMessageTable::Removed removed) {
  // A held back row was never announced.
  if (held_back_.erase(removed.uid) > 0) return;
  row_news_.removed(std::move(removed));
}

void OwnChanges::forget(const UidSet& uids) {
  std::erase_if(expected_, [&](Uid uid) { return uids.contains(uid); });
}

void OwnChanges::restart() {
  held_back_.clear();
  expected_.clear();
}

}  // namespace imapfs::sync
