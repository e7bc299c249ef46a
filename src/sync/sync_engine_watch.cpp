// News of SyncEngine: what pool sessions overhear, who is watched and who is polled.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

constexpr auto in_use = std::chrono::minutes(10);
constexpr auto polled_after_use = std::chrono::hours(1);
constexpr auto retarget_pause = std::chrono::seconds(60);

bool differs(const MailboxStatus& status, MailboxReplica& replica) {
  const auto known = replica.record().known();
  return (status.messages && !replica.count().accounts_for(*status.messages)) ||
         (status.uid_validity && *status.uid_validity != known.uid_validity) ||
         (status.uid_next && *status.uid_next > known.uid_next) ||
         (status.highest_modseq && *status.highest_modseq != known.highest_modseq);
}

/// By a watch that has shown that it tells.
bool is_watched(const MailboxPointer& mailbox) {
  auto activity = mailbox->activity.lock();
  return !activity->watched_by.empty() && activity->heard;
}

}  // namespace

// -- what pool sessions overhear --

void PoolSessionListener::on_exists(std::uint32_t messages) {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  // A watcher hears the same, and has the better connection for it.
  if (!mailbox || is_watched(mailbox) || mailbox->replica.count().accounts_for(messages)) return;
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
  mailbox->replica.news().publish();
}

void PoolSessionListener::on_fetch(const imap::FetchRow& row) {
  const auto mailbox = engine_.find_mailbox(session_.selected());
  if (!mailbox) return;
  if (row.uid.value == 0) return engine_.hint(mailbox);
  mailbox->replica.take_flags(row);
  mailbox->replica.news().publish();
}

void PoolSessionListener::on_status(const imap::WireName& mailbox, const MailboxStatus& status) {
  engine_.take_status(mailbox, status);
}

void PoolSessionListener::on_mailbox_list_changed() { engine_.relist_by_hint(); }

bool EngineImplementation::take_status(const imap::WireName& wire_name, const MailboxStatus& status) {
  const auto mailbox = find_mailbox(wire_name);
  if (!mailbox) return false;
  bool news = false;
  {
    auto activity = mailbox->activity.lock();
    const auto merge = [&](auto& known, const auto& told) {
      if (!told || known == told) return;
      known = told;
      news = true;
    };
    merge(activity->listed.messages, status.messages);
    merge(activity->listed.unseen, status.unseen);
    merge(activity->listed.uid_next, status.uid_next);
    merge(activity->listed.uid_validity, status.uid_validity);
    merge(activity->listed.highest_modseq, status.highest_modseq);
    merge(activity->listed.size, status.size);
  }
  if (!mailbox->replica.table()->complete() || is_watched(mailbox)) return news;
  if (differs(status, mailbox->replica)) hint(mailbox);
  return news;
}

void EngineImplementation::note_heard(const MailboxPointer& mailbox) {
  {
    auto activity = mailbox->activity.lock();
    activity->heard = true;
    ++activity->told;
  }
  if (idle_.exchange(Idle::heard) != Idle::heard)
    telemetry::info("{}: the watch tells of changes", telemetry::printable(mailbox->replica.identity().path));
}

// -- the clock --

void EngineImplementation::schedule_tick() {
  const auto interval = std::min(settings_.refresh, settings_.poll_interval);
  const auto pause = std::clamp<SteadyClock::duration>(interval / 2, std::chrono::seconds(1), std::chrono::seconds(30));
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
  for (const auto& mailbox : all_mailboxes())
    if (poll_is_due(mailbox)) poll(mailbox);
}

/// A mailbox is polled that was used of late and that nobody watches; or that is watched by IDLE which has never told
/// of anything: some servers take IDLE and say nothing, whatever comes.
bool EngineImplementation::poll_is_due(const MailboxPointer& mailbox) const {
  if (!mailbox->replica.table()->complete() || mailbox->replica.gate().running()) return false;
  const bool fresh = is_fresh(mailbox);
  const bool in_doubt = mailbox->replica.record().known().in_doubt;
  const auto now = SteadyClock::now();
  auto activity = mailbox->activity.lock();
  const bool unproved = !activity->watched_by.empty() && !activity->heard;
  if (unproved) return now - std::max(activity->polled, activity->checked) >= settings_.poll_interval;
  const bool unused = activity->accessed == SteadyClock::time_point{} || now - activity->accessed > polled_after_use;
  return !fresh && (in_doubt || !unused) && now - activity->polled >= settings_.refresh;
}

void EngineImplementation::polled(const MailboxPointer& mailbox, std::uint64_t told_before, bool found) {
  {
    auto activity = mailbox->activity.lock();
    if (!found || activity->watched_by.empty() || activity->told != told_before) return;
    activity->heard = false;
  }
  if (idle_.exchange(Idle::silent) == Idle::silent) return;
  telemetry::info("{}: a poll has found what IDLE did not tell; polls go on",
                  telemetry::printable(mailbox->replica.identity().path));
}

/// With CONDSTORE a sync that finds nothing is one SELECT. Without, it fetches the flags of everything, so STATUS is
/// asked first; flags that it does not show are looked for on access.
void EngineImplementation::poll(const MailboxPointer& mailbox) {
  const bool condstore = traits_.with_lock([](const auto& traits) { return traits && traits->has("CONDSTORE"); });
  const auto told = mailbox->activity.lock()->told;
  const auto revision = mailbox->replica.record().revision();
  if (condstore || mailbox->replica.record().known().in_doubt) {
    const auto ended = [this, mailbox, told, revision](const Result<void>&) {
      polled(mailbox, told, mailbox->replica.record().revision() != revision);
    };
    if (mailbox->replica.gate().join(ended)) start_sync(mailbox, imap::Priority::background);
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
  job.done = [this, mailbox, status, told](const Result<void>& result) {
    if (!result) return;
    polled(mailbox, told, mailbox->replica.table()->complete() && differs(*status, mailbox->replica));
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
