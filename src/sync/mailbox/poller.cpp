#include "sync/mailbox/poller.hpp"

#include <algorithm>
#include <chrono>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

constexpr auto polled_after_use = std::chrono::hours(1);

}  // namespace

void Poller::poll_due() {
  for (const auto& mailbox : dependencies_.mailboxes.all())
    if (is_due(mailbox)) poll(mailbox);
}

/// Polls mailboxes that were used lately and are not watched, and those whose IDLE has never reported anything.
bool Poller::is_due(const MailboxPointer& mailbox) const {
  if (!mailbox->replica.table()->complete() || mailbox->replica.gate().running()) return false;
  const bool fresh = dependencies_.syncs.is_fresh(mailbox);
  const bool in_doubt = mailbox->replica.record().known().in_doubt;
  const auto now = SteadyClock::now();
  auto activity = mailbox->activity.lock();
  const bool unproved = !activity->watched_by.empty() && !activity->heard;
  if (unproved) return now - std::max(activity->polled, activity->checked) >= settings_.poll_interval;
  const bool unused = activity->accessed == SteadyClock::time_point{} || now - activity->accessed > polled_after_use;
  return !fresh && (in_doubt || !unused) && now - activity->polled >= settings_.refresh;
}

/// With CONDSTORE a sync that finds nothing is one SELECT. Without, it fetches all flags, so STATUS is asked first;
/// flag changes that STATUS does not show are found on access.
void Poller::poll(const MailboxPointer& mailbox) {
  if (dependencies_.server.has("CONDSTORE") || mailbox->replica.record().known().in_doubt) return poll_by_sync(mailbox);
  poll_by_status(mailbox);
}

void Poller::poll_by_sync(const MailboxPointer& mailbox) {
  const auto told = mailbox->activity.lock()->told;
  const auto revision = mailbox->replica.record().revision();
  dependencies_.syncs.check(mailbox, [&trust = dependencies_.idle_trust, mailbox, told, revision](const Result<void>&) {
    trust.polled(mailbox, told, mailbox->replica.record().revision() != revision);
  });
}

void Poller::poll_by_status(const MailboxPointer& mailbox) {
  const auto told = mailbox->activity.lock()->told;
  dependencies_.server.ask<MailboxStatus>(
      {.what = fmt::format("poll {}", telemetry::printable(mailbox->replica.identity().path)),
       .priority = imap::Priority::background},
      [mailbox](imap::Session& session, const CallContext& context) {
        return session.status(mailbox->replica.identity().wire_name, context);
      },
      [this, mailbox, told](const Result<MailboxStatus>& status) {
        if (status) take_status(mailbox, *status, told);
      });
}

void Poller::take_status(const MailboxPointer& mailbox, const MailboxStatus& status, std::uint64_t told_before) {
  const bool found = mailbox->replica.table()->complete() && StatusNews::differs(status, mailbox->replica);
  dependencies_.idle_trust.polled(mailbox, told_before, found);
  const auto unseen = mailbox->activity.with_lock([](auto& activity) {
    activity.polled = SteadyClock::now();
    return activity.listed.unseen;
  });
  dependencies_.status_news.take(mailbox->replica.identity().wire_name, status);
  // A changed number of unread messages means that flags have changed.
  if (unseen && status.unseen && *unseen != *status.unseen) dependencies_.syncs.hint(mailbox);
}

}  // namespace imapfs::sync
