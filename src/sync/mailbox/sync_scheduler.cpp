#include "sync/mailbox/sync_scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// For a whole first listing, in several turns; after the deadline the next one continues it.
constexpr auto sync_deadline = std::chrono::minutes(15);
/// The longest wait for a server that does not answer, if a complete but slightly old listing exists.
constexpr SteadyClock::duration longest_freshen = std::chrono::seconds(10);
/// Hints of our own changes: what they tell is known already.
constexpr int free_hints = 3;
constexpr auto news_interval = std::chrono::seconds(2);

UnixTime unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The server was not reached, or has no time.
bool leaves_cache_good(const Error& error) { return error.may_pass() || error.errnum == ECANCELED; }

}  // namespace

// -- those who list --

void SyncScheduler::freshen(const MailboxPointer& mailbox, Completion<void> done) {
  dependencies_.rows.with_rows(mailbox, [this, mailbox, done = std::move(done)] { freshen_loaded(mailbox, done); });
}

void SyncScheduler::freshen_loaded(const MailboxPointer& mailbox, Completion<void> done) {
  auto& gate = mailbox->replica.gate();
  const auto& table = mailbox->replica.table();
  bool must_start = false;
  if (table->complete()) {
    if (is_fresh(mailbox)) return done({});
    if (!dependencies_.server.online()) {
      // The cached listing is good enough. Also try whether the server is back, with interactive priority: reading a
      // message next needs a connection.
      done({});
      if (gate.join({})) start(mailbox, imap::Priority::interactive);
      return;
    }
    const auto longest = std::min<SteadyClock::duration>(longest_freshen, settings_.timeout / 2);
    auto ended = [mailbox, done = std::move(done)](const Result<void>& result) {
      const bool still_good = !result && leaves_cache_good(result.error()) && mailbox->replica.table()->complete();
      done(still_good ? Result<void>{} : result);
    };
    must_start = gate.join(dependencies_.helper.with_patience(longest, std::move(ended)));
  } else {
    must_start = gate.join_for_rows(Uid{0}, *table, std::move(done));
  }
  if (must_start) start_unless_fresh(mailbox);
}

void SyncScheduler::await_rows(const MailboxPointer& mailbox, Uid after, Completion<void> done) {
  dependencies_.rows.with_rows(mailbox, [this, mailbox, after, done = std::move(done)] {
    const auto& table = mailbox->replica.table();
    if (has_rows_beyond(*table, after)) return done({});
    if (mailbox->replica.gate().join_for_rows(after, *table, done)) start_unless_fresh(mailbox);
  });
}

void SyncScheduler::list(const MailboxPointer& mailbox, Completion<void> done) {
  if (mailbox->replica.gate().join(std::move(done))) start_unless_fresh(mailbox);
}

bool SyncScheduler::is_fresh(const MailboxPointer& mailbox) const {
  const bool no_news = mailbox->activity.with_lock(
      [](const auto& activity) { return activity.news == activity.covered; });
  return no_news && was_checked_lately(mailbox);
}

bool SyncScheduler::was_checked_lately(const MailboxPointer& mailbox) const {
  if (!mailbox->replica.table()->complete()) return false;
  const bool in_doubt = mailbox->replica.record().known().in_doubt;
  auto activity = mailbox->activity.lock();
  if (activity->checked == SteadyClock::time_point{}) return false;
  const bool told = !activity->watched_by.empty() && activity->heard && !in_doubt;
  return told || SteadyClock::now() - activity->checked < settings_.refresh;
}

// -- hints --

void SyncScheduler::hint(const MailboxPointer& mailbox) {
  ++mailbox->activity.lock()->news;
  if (!mailbox->replica.table()->complete()) {
    mailbox->replica.gate().ask_again();
    return;
  }
  if (!mailbox->replica.gate().ask_again()) sync_by_hint(mailbox);
}

void SyncScheduler::sync_by_hint(const MailboxPointer& mailbox) {
  SteadyClock::duration pause{};
  {
    auto activity = mailbox->activity.lock();
    pause = activity->not_before - SteadyClock::now();
    if (pause > SteadyClock::duration{} && std::exchange(activity->hint_waits, true)) return;
  }
  if (pause <= SteadyClock::duration{}) {
    if (!mailbox->replica.gate().ask_again()) check(mailbox, {});
    return;
  }
  dependencies_.helper.post_after(pause, [this, mailbox] {
    mailbox->activity.lock()->hint_waits = false;
    sync_by_hint(mailbox);
  });
}

void SyncScheduler::note_pace(const MailboxPointer& mailbox) const {
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

void SyncScheduler::check(const MailboxPointer& mailbox, Completion<void> done) {
  if (mailbox->replica.gate().join(std::move(done))) start(mailbox, imap::Priority::background);
}

// -- changes of ours --

void SyncScheduler::bring_in_step(const MailboxPointer& mailbox, Completion<void> done) {
  const auto wanted = ++mailbox->activity.lock()->news;
  await_news(mailbox, wanted, std::move(done));
}

/// The running sync may have begun before the news; then another must follow.
void SyncScheduler::await_news(const MailboxPointer& mailbox, std::uint64_t wanted, Completion<void> done) {
  check(mailbox, [this, mailbox, wanted, done = std::move(done)](const Result<void>& result) {
    const auto covered = mailbox->activity.with_lock([](const auto& activity) { return activity.covered; });
    if (!result || covered >= wanted || dependencies_.server.stopped()) return done(result);
    await_news(mailbox, wanted, done);
  });
}

/// Waits for a running sync, which would take the empty table for the whole mailbox.
void SyncScheduler::list_anew(const MailboxPointer& mailbox) {
  const auto begun = std::make_shared<bool>(false);
  const bool may_begin = mailbox->replica.gate().join([this, mailbox, begun](const Result<void>&) {
    if (!*begun && !dependencies_.server.stopped()) list_anew(mailbox);
  });
  if (!may_begin) return;
  *begun = true;
  mailbox->replica.restart(mailbox->replica.table()->uid_validity());
  mailbox->replica.news().publish();
  dependencies_.bodies.remove_mailbox(mailbox->replica.identity().name);
  start(mailbox, imap::Priority::background);
}

Result<void> SyncScheduler::examine(const MailboxPointer& mailbox, imap::Session& session, const CallContext& context) {
  auto& replica = mailbox->replica;
  const auto& wire_name = replica.identity().wire_name;
  const auto wanted = replica.table()->uid_validity();
  const auto told = session.selection().uid_validity.value_or(wanted);
  // It was selected for a change, or for an earlier replica: our table may not know its UIDVALIDITY yet. A session may
  // also have a mailbox selected that was removed and recreated under its name (RFC 2180 §3.1).
  if (session.selected() != wire_name || (wanted.value != 0 && told != wanted)) {
    imap::Session::SelectRequest request;
    request.mailbox = wire_name;
    IMAPFS_TRY_WHILE("select", session.select(request, context));
  }
  replica.note_validity(session.selection().uid_validity.value_or(UidValidity{}));
  replica.news().publish();
  const auto validity = session.selection().uid_validity.value_or(wanted);
  if (replica.table()->uid_validity() == validity) return {};
  hint(mailbox);
  return fail(ESTALE, Scope::mailbox, Retry::later, "the mailbox has UIDVALIDITY {} now", validity.value);
}

// -- syncs --

void SyncScheduler::start(const MailboxPointer& mailbox, imap::Priority priority) {
  const auto began_after = begin(mailbox);
  ask_for_step(mailbox, std::make_shared<MailboxSync>(mailbox->replica, sync_settings()), began_after, priority);
}

void SyncScheduler::start_unless_fresh(const MailboxPointer& mailbox) {
  // The running sync may have ended just before the caller entered the gate.
  if (!is_fresh(mailbox)) return start(mailbox, imap::Priority::interactive);
  if (mailbox->replica.gate().finish({})) check(mailbox, {});
}

void SyncScheduler::ask_for_step(const MailboxPointer& mailbox, const std::shared_ptr<MailboxSync>& sync,
                                 std::uint64_t began_after, imap::Priority priority) {
  Question question{.what = fmt::format("sync {}", telemetry::printable(mailbox->replica.identity().path)),
                    .mailbox = mailbox->replica.identity().wire_name,
                    .priority = priority,
                    .awaited = mailbox->replica.gate().awaited(),
                    .patience = sync_deadline};
  dependencies_.server.ask<MailboxSync::Progress>(
      std::move(question),
      [mailbox, sync](imap::Session& session, const CallContext& context) { return sync->step(session, context); },
      // Other jobs get a turn between two steps of a long listing.
      [this, mailbox, sync, began_after, priority](const Result<MailboxSync::Progress>& progress) {
        if (progress && *progress == MailboxSync::Progress::more)
          return ask_for_step(mailbox, sync, began_after, priority);
        end(mailbox, began_after, sync->method(), progress ? Result<void>{} : Result<void>(fail(progress.error())));
      });
}

std::uint64_t SyncScheduler::begin(const MailboxPointer& mailbox) {
  mailbox->replica.sync_begins();
  auto activity = mailbox->activity.lock();
  activity->began = SteadyClock::now();
  activity->hinted = activity->news != activity->covered;
  return activity->news;
}

void SyncScheduler::end(const MailboxPointer& mailbox, std::uint64_t began_after, SyncMethod method,
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
  if (result && method == SyncMethod::listing) dependencies_.rows.give_back_memory(mailbox);
  if (!result && leaves_cache_good(result.error())) telemetry::debug("{}", telemetry::printable(result.error().what));
  else if (!result) telemetry::warning("{}", telemetry::printable(result.error().what));
  if (!result && result.error().errnum == ENOENT && result.error().scope == Scope::mailbox)
    dependencies_.list_listener.on_mailbox_missing();
  const bool again = replica.gate().finish(result);
  if (again && result) sync_by_hint(mailbox);
}

MailboxSync::Settings SyncScheduler::sync_settings() const {
  MailboxSync::Settings settings;
  settings.command_timeout = 2 * settings_.timeout;
  settings.fetch_timeout = 10 * settings_.timeout;
  settings.long_command = std::chrono::seconds(2);
  return settings;
}

}  // namespace imapfs::sync
