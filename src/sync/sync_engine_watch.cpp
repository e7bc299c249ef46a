// News of SyncEngine: what pool sessions overhear, who is watched and who is polled.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

constexpr auto in_use = std::chrono::minutes(10);
constexpr auto polled_after_use = std::chrono::hours(1);
constexpr auto retarget_pause = std::chrono::seconds(60);

bool differs(const MailboxStatus& status, const KnownMailbox& known, std::size_t messages) {
  return (status.messages && *status.messages != messages) ||
         (status.uid_validity && *status.uid_validity != known.uid_validity) ||
         (status.uid_next && *status.uid_next > known.uid_next) ||
         (status.highest_modseq && *status.highest_modseq != known.highest_modseq);
}

bool is_watched(const MailboxPointer& mailbox) { return !mailbox->activity.lock()->watched_by.empty(); }

}  // namespace

// -- what pool sessions overhear --

void PoolSessionListener::on_exists(std::uint32_t messages) {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  // A watcher hears the same, and has the better connection for it.
  if (!mailbox || is_watched(mailbox) || messages == mailbox->replica.table()->size()) return;
  engine_.hint(mailbox);
}

void PoolSessionListener::on_expunge() {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  if (mailbox && !is_watched(mailbox)) engine_.hint(mailbox);
}

void PoolSessionListener::on_vanished(const UidSet& uids) {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  if (!mailbox) return;
  mailbox->replica.take_vanished(uids);
  mailbox->replica.publish();
}

void PoolSessionListener::on_fetch(const imap::FetchRow& row) {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  if (!mailbox) return;
  if (row.uid.value == 0) return engine_.hint(mailbox);
  mailbox->replica.take_flags(row);
  mailbox->replica.publish();
}

void PoolSessionListener::on_status(const imap::WireName& mailbox, const MailboxStatus& status) {
  engine_.take_status(mailbox, status);
}

void PoolSessionListener::on_mailbox_list_changed() { engine_.relist(); }

void EngineImplementation::take_status(const imap::WireName& wire_name, const MailboxStatus& status) {
  const auto mailbox = find_mailbox(wire_name);
  if (!mailbox) return;
  {
    auto activity = mailbox->activity.lock();
    const auto merge = [](auto& known, const auto& told) {
      if (told) known = told;
    };
    merge(activity->listed.messages, status.messages);
    merge(activity->listed.unseen, status.unseen);
    merge(activity->listed.uid_next, status.uid_next);
    merge(activity->listed.uid_validity, status.uid_validity);
    merge(activity->listed.highest_modseq, status.highest_modseq);
    merge(activity->listed.size, status.size);
  }
  const auto& table = mailbox->replica.table();
  if (!table->complete() || is_watched(mailbox)) return;
  if (differs(status, mailbox->replica.known(), table->size())) hint(mailbox);
}

// -- the clock --

void EngineImplementation::schedule_tick() {
  const auto pause = std::clamp<SteadyClock::duration>(settings_.refresh / 2, std::chrono::seconds(1),
                                                       std::chrono::seconds(30));
  later(pause, [](EngineImplementation& engine) {
    engine.tick_soon();
    engine.schedule_tick();
  });
}

void EngineImplementation::tick_soon() {
  if (stopping_ || !helper_ || tick_queued_.exchange(true)) return;
  if (!helper_->try_post([this] { tick(); })) tick_queued_ = false;
}

void EngineImplementation::tick() {
  tick_queued_ = false;
  if (stopping_) return;
  keep_watchers();
  poll_mailboxes();
}

void EngineImplementation::poll_mailboxes() {
  if (!settings_.watch) return;
  const auto now = SteadyClock::now();
  for (const auto& mailbox : all_mailboxes()) {
    const auto accessed = mailbox->activity.lock()->accessed;
    if (accessed == SteadyClock::time_point{} || now - accessed > polled_after_use) continue;
    if (!mailbox->replica.table()->complete() || is_fresh(mailbox)) continue;
    if (now - mailbox->activity.with_lock([](const auto& activity) { return activity.polled; }) < settings_.refresh)
      continue;
    poll(mailbox);
  }
}

/// With CONDSTORE a sync that finds nothing is one SELECT. Without, it fetches the flags of everything, so STATUS is asked first;
/// flags that it does not show are looked for on access.
void EngineImplementation::poll(const MailboxPointer& mailbox) {
  const bool cheap = traits_.with_lock([](const auto& traits) { return traits && traits->has("CONDSTORE"); });
  if (cheap) {
    if (mailbox->replica.gate().join({})) start_sync(mailbox, imap::Priority::background);
    return;
  }
  auto status = std::make_shared<MailboxStatus>();
  imap::PoolJob job;
  job.priority = imap::Priority::background;
  job.context = patience();
  job.what = fmt::format("poll {}", telemetry::printable(mailbox->replica.identity().path));
  job.run = [mailbox, status](imap::Session& session, const CallContext& context) -> Result<void> {
    *status = IMAPFS_TRY(session.status(mailbox->replica.identity().wire_name, context));
    return {};
  };
  job.done = [this, mailbox, status](const Result<void>& result) {
    if (!result) return;
    const auto unseen = mailbox->activity.with_lock([](auto& activity) {
      activity.polled = SteadyClock::now();
      return activity.listed.unseen;
    });
    take_status(mailbox->replica.identity().wire_name, *status);
    // STATUS that shows another number of unread messages tells of flags.
    if (unseen && status->unseen && *unseen != *status->unseen) hint(mailbox);
  };
  submit(std::move(job));
}

// -- watchers --

void EngineImplementation::keep_watchers() {
  if (watch_budget_ == 0) return;
  auto watches = watches_.with_lock([](const auto& all) { return all; });
  if (watches.empty()) {
    const auto inbox = find_mailbox(imap::WireName("INBOX"));
    if (!inbox) return;
    watches.push_back(make_watch("watch-1", inbox));
  } else if (watches[0]->ended()) {
    watches[0]->stop();
    watches[0] = make_watch("watch-1", watches[0]->mailbox());
  }
  const bool has_notify = traits_.with_lock([](const auto& traits) { return traits && traits->has("NOTIFY"); });
  if (watch_budget_ >= 2 && !has_notify) {
    const auto target = second_to_watch();
    const auto now = SteadyClock::now();
    const bool may_change = watches.size() < 2 || now - retargeted_ >= retarget_pause;
    if (target && may_change && (watches.size() < 2 || watches[1]->mailbox() != target)) {
      // The old one first: the connection budget holds at every moment.
      if (watches.size() == 2) {
        watches.back()->stop();
        watches.pop_back();
        *watches_.lock() = watches;
      }
      watches.push_back(make_watch("watch-2", target));
      retargeted_ = now;
    }
  }
  auto current = watches_.lock();
  if (!stopping_) *current = std::move(watches);
}

MailboxPointer EngineImplementation::second_to_watch() const {
  MailboxPointer best;
  SteadyClock::time_point latest;
  const auto now = SteadyClock::now();
  for (const auto& mailbox : all_mailboxes()) {
    if (mailbox->replica.identity().wire_name == "INBOX") continue;
    const auto accessed = mailbox->activity.lock()->accessed;
    if (accessed <= latest || now - accessed > in_use) continue;
    latest = accessed;
    best = mailbox;
  }
  return best;
}

std::shared_ptr<MailboxWatch> EngineImplementation::make_watch(const std::string& name, const MailboxPointer& mailbox) {
  imap::Watcher::Settings watcher;
  watcher.name = name;
  watcher.renew_after = settings_.idle_renewal;
  watcher.poll_interval = settings_.poll_interval;
  watcher.connect_timeout = settings_.timeout;
  watcher.use_notify = name == "watch-1";
  auto watch = std::make_shared<MailboxWatch>(*this, mailbox, watcher, factory_);
  watch->start();
  return watch;
}

}  // namespace imapfs::sync
