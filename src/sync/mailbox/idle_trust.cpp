#include "sync/mailbox/idle_trust.hpp"

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {

void IdleTrust::heard(const MailboxPointer& mailbox) {
  {
    auto activity = mailbox->activity.lock();
    activity->heard = true;
    ++activity->told;
  }
  if (idle_.exchange(Idle::heard) != Idle::heard)
    telemetry::info("{}: the watch tells of changes", telemetry::printable(mailbox->replica.identity().path));
}

void IdleTrust::polled(const MailboxPointer& mailbox, std::uint64_t told_before, bool found) {
  {
    auto activity = mailbox->activity.lock();
    if (!found || activity->watched_by.empty() || activity->told != told_before) return;
    activity->heard = false;
  }
  if (idle_.exchange(Idle::silent) == Idle::silent) return;
  telemetry::info("{}: a poll has found what IDLE did not tell; polls go on",
                  telemetry::printable(mailbox->replica.identity().path));
}

std::string_view IdleTrust::text() const {
  switch (idle_) {
    case Idle::unproved: return "unproved";
    case Idle::heard: return "tells";
    case Idle::silent: return "silent";
  }
  return "unknown";
}

}  // namespace imapfs::sync
