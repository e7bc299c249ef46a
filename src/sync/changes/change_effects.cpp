#include "sync/changes/change_effects.hpp"

namespace imapfs::sync {
namespace {

void add_place(std::map<std::string, UidSet>& places, const store::JournalLocation& place) {
  if (place.uid.value != 0) places[place.mailbox].add(place.uid, place.uid);
}

}  // namespace

ChangeEffects::ChangeEffects(const Locations& locations, const SharedChangeTable& table, OwnRemovals& own_removals)
    : locations_(locations), table_(table), own_removals_(own_removals) {}

void ChangeEffects::hide(const ByMailbox& messages) const {
  for (const auto& [name, uids] : messages) {
    const auto mailbox = locations_.mailbox(name);
    if (!mailbox) continue;
    mailbox->replica.own_changes().hide(uids);
    mailbox->replica.news().publish();
  }
}

void ChangeEffects::hide_into_deleted(const ByMailbox& messages) const {
  for (const auto& [name, uids] : messages) {
    const auto mailbox = locations_.mailbox(name);
    if (!mailbox) continue;
    mailbox->replica.own_changes().hide_into_deleted(uids);
    mailbox->replica.news().publish();
  }
}

void ChangeEffects::show_again(const ByMailbox& messages) const {
  for (const auto& [name, uids] : messages) {
    const auto mailbox = locations_.mailbox(name);
    if (!mailbox) continue;
    if (!uids.empty()) mailbox->replica.own_changes().show_again(uids);
    mailbox->replica.news().publish();
  }
}

void ChangeEffects::show(const std::vector<store::JournalChange>& changes) const {
  ByMailbox hidden;
  ByMailbox flagged;
  std::map<std::string, std::vector<const store::JournalChange*>> restored;
  for (const auto& change : changes) {
    add_place(hidden, change.replaces);
    if (takes_away(change))
      add_place(change.kind == store::JournalChange::Kind::flag ? flagged : hidden, change.source);
    if (is_restore(change) && change.source.uid.value != 0) restored[change.source.mailbox].push_back(&change);
  }
  hide(hidden);
  hide_into_deleted(flagged);
  for (const auto& [name, restorations] : restored) show_restored(name, restorations);
}

void ChangeEffects::show_restored(const std::string& name,
                                  const std::vector<const store::JournalChange*>& changes) const {
  const auto mailbox = locations_.mailbox(name);
  if (!mailbox) return;
  auto& replica = mailbox->replica;
  std::vector<MailboxReplica::OwnArrival> own;
  UidSet uids;
  for (const auto* change : changes) {
    own.push_back({change->source.uid, change->file_name});
    uids.add(change->source.uid, change->source.uid);
  }
  // Hidden while its flag changes, and then shown as our own: the kernel has made this change itself.
  replica.own_changes().hide(uids);
  take_flag_change(replica, uids, changes.front()->flags);
  replica.own_changes().begin_arrivals();
  replica.own_changes().end_arrivals(changes.front()->source.uid_validity, own);
  replica.news().publish();
}

void ChangeEffects::take_back(const std::vector<store::JournalChange>& changes) const {
  ByMailbox shown;
  ByMailbox deleted;
  for (const auto& change : changes) {
    add_place(shown, change.replaces);
    if (takes_away(change)) add_place(shown, change.source);
    if (is_restore(change)) add_place(deleted, change.source);
  }
  for (const auto& [name, uids] : deleted) {
    const auto mailbox = locations_.mailbox(name);
    if (!mailbox) continue;
    take_flag_change(mailbox->replica, uids, deleted_flag(FlagChange::Kind::add));
    mailbox->replica.news().publish();
  }
  show_again(shown);
}

void ChangeEffects::show_carried_out(const std::vector<store::JournalChange>& done) const {
  ByMailbox flagged;
  for (const auto& change : done) {
    if (change.kind != store::JournalChange::Kind::flag) continue;
    auto& uids = flagged[change.source.mailbox];
    if (!takes_away(change)) continue;
    own_removals_.flagged(change.source);
    // What was removed from .deleted meanwhile is not to be seen there again.
    const bool leaves = table_.with_lock(
        [&](const ChangeTable& table) { return table.queue.is_leaving(change.source); });
    if (!leaves) uids.add(change.source.uid, change.source.uid);
  }
  show_again(flagged);
}

void ChangeEffects::hide_arrived(const std::vector<store::JournalChange>& followers) const {
  ByMailbox hidden;
  ByMailbox flagged;
  for (const auto& change : followers)
    if (takes_away(change))
      add_place(change.kind == store::JournalChange::Kind::flag ? flagged : hidden, change.source);
  for (const auto& [name, uids] : hidden)
    if (const auto mailbox = locations_.mailbox(name)) mailbox->replica.own_changes().hide(uids);
  for (const auto& [name, uids] : flagged)
    if (const auto mailbox = locations_.mailbox(name)) mailbox->replica.own_changes().hide_into_deleted(uids);
}

void ChangeEffects::hide_replaced(const store::JournalLocation& message) const {
  const auto mailbox = message.uid.value != 0 ? locations_.mailbox(message.mailbox) : nullptr;
  if (mailbox && mailbox->replica.table()->place(message.uid) == MessageTable::Place::listed)
    mailbox->replica.own_changes().hide(UidSet::single(message.uid));
}

void ChangeEffects::show_replaced(const store::JournalLocation& message) const {
  const auto mailbox = message.uid.value != 0 ? locations_.mailbox(message.mailbox) : nullptr;
  if (!mailbox) return;
  mailbox->replica.own_changes().show_again(UidSet::single(message.uid));
  mailbox->replica.news().publish();
}

}  // namespace imapfs::sync
