// Listings of SyncEngine: when a mailbox is checked, by whom, and who waits for it.

#include <algorithm>
#include <utility>

#include "imapfs/base/memory.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

/// Of a whole first listing, in several turns; an ended one is taken up where it stopped.
constexpr auto sync_deadline = std::chrono::minutes(15);
/// A complete listing that is only somewhat old does not keep anybody waiting for a server that does not answer.
constexpr SteadyClock::duration longest_freshen = std::chrono::seconds(10);
/// News of our own changes are known by the time they are looked for.
constexpr int free_hints = 3;
constexpr auto news_interval = std::chrono::seconds(2);
constexpr auto load_retry = std::chrono::milliseconds(20);

UnixTime unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The server was not reached, or has no time.
bool leaves_cache_good(const Error& error) {
  return error.scope >= Scope::session || error.retry != Retry::never || error.errnum == ECANCELED;
}

}  // namespace

MailboxPointer EngineImplementation::find_mailbox(MailboxId id) const {
  auto all = mailboxes_.lock();
  const auto found = all->by_id.find(id);
  return found == all->by_id.end() ? nullptr : found->second;
}

MailboxPointer EngineImplementation::find_mailbox(const imap::WireName& wire_name) const {
  auto all = mailboxes_.lock();
  const auto found = all->by_wire_name.find(wire_name);
  return found == all->by_wire_name.end() ? nullptr : found->second;
}

MailboxPointer EngineImplementation::use_mailbox(MailboxId id) const {
  auto mailbox = find_mailbox(id);
  if (mailbox) mailbox->activity.lock()->accessed = SteadyClock::now();
  return mailbox;
}

std::vector<MailboxPointer> EngineImplementation::all_mailboxes() const {
  std::vector<MailboxPointer> mailboxes;
  auto all = mailboxes_.lock();
  for (const auto& [id, mailbox] : all->by_id) mailboxes.push_back(mailbox);
  return mailboxes;
}

std::shared_ptr<const MessageTable> EngineImplementation::table(MailboxId id) const {
  const auto mailbox = find_mailbox(id);
  return mailbox ? mailbox->replica.table() : nullptr;
}

DirectoryTime EngineImplementation::directory_time(MailboxId id) const {
  DirectoryTime time = unwitnessed_directory_time({}, {}, 0);
  if (const auto mailbox = find_mailbox(id)) {
    const auto listed = mailbox->activity.with_lock([](const auto& activity) { return activity.listed; });
    time = mailbox->replica.record().directory_time(listed);
  }
  // Child mailboxes are content too.
  const auto mailboxes = tree();
  const auto* const node = mailboxes->find(id);
  if (node != nullptr && !node->children.empty())
    time.nanoseconds = static_cast<std::uint32_t>((time.nanoseconds + node->children_hash) % 1'000'000'000);
  return time;
}

bool EngineImplementation::is_fresh(const MailboxPointer& mailbox) const {
  const bool no_news = mailbox->activity.with_lock(
      [](const auto& activity) { return activity.news == activity.covered; });
  return no_news && was_checked_lately(mailbox);
}

bool EngineImplementation::was_checked_lately(const MailboxPointer& mailbox) const {
  if (!mailbox->replica.table()->complete()) return false;
  const bool in_doubt = mailbox->replica.record().known().in_doubt;
  auto activity = mailbox->activity.lock();
  if (activity->checked == SteadyClock::time_point{}) return false;
  const bool told = !activity->watched_by.empty() && activity->heard && !in_doubt;
  return told || SteadyClock::now() - activity->checked < settings_.refresh;
}

// -- loading --

void EngineImplementation::with_rows_loaded(const MailboxPointer& mailbox, Job then) {
  const auto ticket = mailbox->replica.stored_rows().await_load(then);
  if (ticket.loaded) return then();
  if (ticket.must_start) try_load(mailbox);
}

void EngineImplementation::try_load(const MailboxPointer& mailbox) {
  const bool posted = store_.try_post([this, mailbox](store::MetadataStore& metadata) {
    mailbox->replica.stored_rows().load(metadata);
    mailbox->replica.news().publish();
    give_back_memory_of_listing(mailbox);
  });
  // No room: a FUSE thread may be here, so nobody waits.
  if (!posted && !stopping_) later(load_retry, [mailbox](EngineImplementation& engine) { engine.try_load(mailbox); });
}

// -- syncs --

MailboxSync::Settings EngineImplementation::sync_settings() const {
  MailboxSync::Settings settings;
  settings.command_timeout = 2 * settings_.timeout;
  settings.fetch_timeout = 10 * settings_.timeout;
  settings.long_command = std::chrono::seconds(2);
  return settings;
}

std::uint64_t EngineImplementation::begin_sync(const MailboxPointer& mailbox) {
  mailbox->replica.sync_begins();
  auto activity = mailbox->activity.lock();
  activity->began = SteadyClock::now();
  activity->hinted = activity->news != activity->covered;
  return activity->news;
}

void EngineImplementation::end_sync(const MailboxPointer& mailbox, std::uint64_t began_after, SyncMethod method,
                                    const Result<void>& result) {
  auto& replica = mailbox->replica;
  replica.sync_ends();
  replica.news().publish();
  {
    auto activity = mailbox->activity.lock();
    if (result) {
      activity->covered = began_after;
      activity->checked = SteadyClock::now();
      activity->method = method;
      activity->synced_at = unix_now();
      activity->last_error.clear();
    } else {
      activity->last_error = telemetry::printable(result.error().what);
    }
  }
  note_pace(mailbox);
  if (result && method == SyncMethod::listing) give_back_memory_of_listing(mailbox);
  if (!result && leaves_cache_good(result.error())) telemetry::debug("{}", telemetry::printable(result.error().what));
  else if (!result) telemetry::warning("{}", telemetry::printable(result.error().what));
  if (!result && result.error().errnum == ENOENT && result.error().scope == Scope::mailbox) relist();
  const bool again = replica.gate().finish(result);
  if (again && result) sync_by_hint(mailbox);
}

/// Hints that bring nothing, one after the other, cost a pause that grows: a server may give one with every command.
void EngineImplementation::note_pace(const MailboxPointer& mailbox) {
  const auto now = SteadyClock::now();
  const auto revision = mailbox->replica.record().revision();
  auto activity = mailbox->activity.lock();
  const bool news = std::exchange(activity->revision, revision) != revision;
  if (!activity->hinted) return;
  if (!activity->pace) {
    Pace::Settings settings;
    settings.free_rounds = free_hints;
    settings.longest = std::max(settings_.refresh, settings_.poll_interval);
    settings.unhurried = SteadyClock::duration::max();
    settings.news_interval = news_interval;
    activity->pace.emplace(settings);
  }
  activity->not_before = now + activity->pace->after(news, now - activity->began);
}

void EngineImplementation::sync_later(const MailboxPointer& mailbox, SteadyClock::duration pause) {
  later(pause, [mailbox](EngineImplementation& engine) {
    const bool posted = engine.helper_->try_post([&engine, mailbox] {
      mailbox->activity.lock()->hint_waits = false;
      engine.sync_by_hint(mailbox);
    });
    if (!posted) engine.sync_later(mailbox, std::chrono::seconds(1));
  });
}

void EngineImplementation::sync_by_hint(const MailboxPointer& mailbox) {
  SteadyClock::duration pause{};
  {
    auto activity = mailbox->activity.lock();
    pause = activity->not_before - SteadyClock::now();
    if (pause > SteadyClock::duration{} && std::exchange(activity->hint_waits, true)) return;
  }
  if (pause > SteadyClock::duration{}) return sync_later(mailbox, pause);
  if (!mailbox->replica.gate().ask_again() && mailbox->replica.gate().join({}))
    start_sync(mailbox, imap::Priority::background);
}

/// Behind the rows in the store's queue, on its thread.
void EngineImplementation::give_back_memory_of_listing(const MailboxPointer& mailbox) {
  constexpr std::size_t worth_it = 10'000;
  if (mailbox->replica.table()->size() >= worth_it)
    (void)store_.try_post([](store::MetadataStore&) { give_back_free_memory(); });
}

void EngineImplementation::start_sync(const MailboxPointer& mailbox, imap::Priority priority) {
  const auto began_after = begin_sync(mailbox);
  submit_step(mailbox, std::make_shared<MailboxSync>(mailbox->replica, sync_settings()), began_after, priority);
}

void EngineImplementation::submit_step(const MailboxPointer& mailbox, std::shared_ptr<MailboxSync> sync,
                                       std::uint64_t began_after, imap::Priority priority) {
  imap::PoolJob job;
  job.mailbox = mailbox->replica.identity().wire_name;
  job.priority = priority;
  job.awaited = mailbox->replica.gate().awaited();
  job.context = CallContext::within(sync_deadline);
  job.what = fmt::format("sync {}", telemetry::printable(mailbox->replica.identity().path));
  auto more = std::make_shared<bool>(false);
  job.run = [mailbox, sync, more](imap::Session& session, const CallContext& context) -> Result<void> {
    *more = IMAPFS_TRY(sync->step(session, context)) == MailboxSync::Progress::more;
    return {};
  };
  // Between two turns of a long listing others get one.
  job.done = [this, mailbox, sync, more, began_after, priority](const Result<void>& result) {
    if (result && *more) return submit_step(mailbox, sync, began_after, priority);
    end_sync(mailbox, began_after, sync->method(), result);
  };
  submit(std::move(job));
}

void EngineImplementation::hint(const MailboxPointer& mailbox) {
  ++mailbox->activity.lock()->news;
  if (!mailbox->replica.table()->complete()) {
    mailbox->replica.gate().ask_again();
    return;
  }
  if (!mailbox->replica.gate().ask_again()) sync_by_hint(mailbox);
}

// -- those who wait --

Completion<void> EngineImplementation::impatient(Completion<void> done) {
  auto called = std::make_shared<std::atomic<bool>>(false);
  const auto longest = std::min<SteadyClock::duration>(longest_freshen, settings_.timeout / 2);
  const auto timer = scheduler_.after(longest, [called, done] {
    if (!called->exchange(true)) done({});
  });
  return [called, done = std::move(done), timer, &scheduler = scheduler_](const Result<void>& result) {
    if (called->exchange(true)) return;
    scheduler.cancel(timer);
    done(result);
  };
}

void EngineImplementation::freshen(MailboxId id, Completion<void> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  with_rows_loaded(mailbox, [this, mailbox, done = std::move(done)] { freshen_loaded(mailbox, done); });
}

void EngineImplementation::freshen_loaded(const MailboxPointer& mailbox, Completion<void> done) {
  auto& gate = mailbox->replica.gate();
  const auto& table = mailbox->replica.table();
  bool must_start = false;
  if (table->complete()) {
    if (is_fresh(mailbox)) return done({});
    if (!online()) {
      // What is cached is good enough; whether the server is back is tried in passing, as for somebody who waits: what
      // is read next is worth a connection.
      done({});
      if (gate.join({})) start_sync(mailbox, imap::Priority::interactive);
      return;
    }
    must_start = gate.join(impatient([mailbox, done = std::move(done)](const Result<void>& result) {
      const bool still_good = !result && leaves_cache_good(result.error()) && mailbox->replica.table()->complete();
      done(still_good ? Result<void>{} : result);
    }));
  } else {
    must_start = gate.join_for_rows(Uid{0}, *table, std::move(done));
  }
  if (must_start) start_sync_unless_fresh(mailbox);
}

void EngineImplementation::start_sync_unless_fresh(const MailboxPointer& mailbox) {
  // The sync that was running may have ended between the caller's look and its entering the gate.
  if (!is_fresh(mailbox)) return start_sync(mailbox, imap::Priority::interactive);
  if (mailbox->replica.gate().finish({}) && mailbox->replica.gate().join({}))
    start_sync(mailbox, imap::Priority::background);
}

void EngineImplementation::await_rows(MailboxId id, Uid after, Completion<void> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  with_rows_loaded(mailbox, [this, mailbox, after, done = std::move(done)] {
    const auto& table = mailbox->replica.table();
    if (has_rows_beyond(*table, after)) return done({});
    if (mailbox->replica.gate().join_for_rows(after, *table, done)) start_sync_unless_fresh(mailbox);
  });
}

}  // namespace imapfs::sync
