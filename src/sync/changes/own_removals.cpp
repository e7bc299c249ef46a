#include "sync/changes/own_removals.hpp"

#include <utility>

#include "sync/changes/change_kinds.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_ranges = 100'000;

bool is_above(const std::string& name, const std::string& other, char delimiter) {
  return delimiter != 0 && other.size() > name.size() && other.starts_with(name) && other[name.size()] == delimiter;
}

}  // namespace

bool OwnRemovals::is_recent(const Mailbox& mailbox, SteadyClock::time_point now) {
  return mailbox.last_removal && now - *mailbox.last_removal < patience;
}

void OwnRemovals::removed(const std::string& mailbox, char delimiter) {
  const auto now = SteadyClock::now();
  auto mailboxes = mailboxes_.lock();
  (*mailboxes)[mailbox].last_removal = now;
  for (auto& [name, above] : *mailboxes)
    if (is_above(name, mailbox, delimiter) && is_recent(above, now)) above.last_removal = now;
}

bool OwnRemovals::removed_lately(const std::string& mailbox) const {
  auto mailboxes = mailboxes_.lock();
  const auto found = mailboxes->find(mailbox);
  return found != mailboxes->end() && is_recent(found->second, SteadyClock::now());
}

void OwnRemovals::flagged(const store::JournalLocation& message) {
  auto mailboxes = mailboxes_.lock();
  auto& mailbox = (*mailboxes)[message.mailbox];
  if (mailbox.validity != message.uid_validity) {
    mailbox.uids = {};
    mailbox.too_many = false;
    mailbox.validity = message.uid_validity;
  }
  if (mailbox.too_many) return;
  mailbox.uids.add(message.uid, message.uid);
  if (mailbox.uids.ranges().size() <= most_ranges) return;
  mailbox.uids = {};
  mailbox.too_many = true;
}

void OwnRemovals::forget(const store::JournalLocation& message) {
  auto mailboxes = mailboxes_.lock();
  const auto found = mailboxes->find(message.mailbox);
  if (found == mailboxes->end() || found->second.validity != message.uid_validity) return;
  found->second.uids = subtract(found->second.uids, UidSet::single(message.uid));
}

UidSet OwnRemovals::flagged_in(const std::string& mailbox, UidValidity validity) const {
  auto mailboxes = mailboxes_.lock();
  const auto found = mailboxes->find(mailbox);
  return found == mailboxes->end() || found->second.validity != validity ? UidSet() : found->second.uids;
}

void OwnRemovals::forget_mailbox(const std::string& mailbox) { mailboxes_.lock()->erase(mailbox); }

void OwnRemovals::rename_mailbox(const std::string& from, const std::string& to, char delimiter) {
  auto mailboxes = mailboxes_.lock();
  std::map<std::string, Mailbox> renamed;
  for (auto& [name, mailbox] : *mailboxes) {
    const auto now_called = renamed_mailbox(name, from, to, delimiter);
    if (now_called != name || !renamed.contains(name)) renamed.insert_or_assign(now_called, std::move(mailbox));
  }
  *mailboxes = std::move(renamed);
}

}  // namespace imapfs::sync
