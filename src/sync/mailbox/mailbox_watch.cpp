// One mailbox under watch.

#include <condition_variable>

#include "imapfs/base/telemetry.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

/// Waits on the watcher's thread for rows that the store's thread reads.
Result<void> wait_for_rows(EngineImplementation& engine, const MailboxPointer& mailbox, const CallContext& context) {
  struct Latch {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool open = false;
  };
  auto latch = std::make_shared<Latch>();
  engine.with_rows_loaded(mailbox, [latch] {
    const std::lock_guard guard(latch->mutex);
    latch->open = true;
    latch->changed.notify_all();
  });
  std::unique_lock lock(latch->mutex);
  const auto open = [&] { return latch->open; };
  // wait_until() with the greatest time overflows in some clocks' conversions.
  if (context.deadline == Deadline::max()) latch->changed.wait(lock, context.stop, open);
  else latch->changed.wait_until(lock, context.stop, context.deadline, open);
  if (latch->open) return {};
  return context.cancelled() ? fail(EINTR, "cancelled")
                             : fail(ETIMEDOUT, Scope::session, Retry::later, "read the cache");
}

}  // namespace

MailboxWatch::MailboxWatch(EngineImplementation& engine, MailboxPointer mailbox, imap::Watcher::Settings settings,
                           const imap::SessionFactory& factory)
    : engine_(engine), mailbox_(std::move(mailbox)), watcher_(settings, factory, *this) {
  snapshot_.lock()->name = settings.name;
}

MailboxWatch::~MailboxWatch() { stop(); }

void MailboxWatch::stop() {
  watcher_.stop();
  on_watching(false, "stopped");
}

MailboxWatch::Snapshot MailboxWatch::snapshot() const {
  return snapshot_.with_lock([](const Snapshot& snapshot) { return snapshot; });
}

Result<void> MailboxWatch::on_watch_started(imap::Session& session, const CallContext& context) {
  engine_.note_traits(session);
  snapshot_.lock()->description = session.description();
  forget_news();
  known_revision_ = mailbox_->replica.record().revision();
  may_have_missed_ = false;
  auto result = catch_up(session, context);
  // The watcher gives up after an Error that no new connection can cure.
  ended_ = !result && result.error().scope < Scope::session && result.error().retry == Retry::never;
  return result;
}

/// Rows are brought in step on this session where there are any; a mailbox that nobody has listed is only selected.
Result<void> MailboxWatch::catch_up(imap::Session& session, const CallContext& context) {
  auto& replica = mailbox_->replica;
  if (replica.stored_rows().stored_or_listed()) {
    IMAPFS_TRY(wait_for_rows(engine_, mailbox_, context));
    if (replica.record().known().complete) {
      if (replica.gate().try_enter()) {
        const auto began_after = engine_.begin_sync(mailbox_);
        MailboxSync sync(replica, engine_.sync_settings());
        auto result = sync.run(session, context);
        engine_.end_sync(mailbox_, began_after, sync.method(), result);
        return result;
      }
      // Selected below, so that nothing is missed; what came before is the next sync's.
    }
  }
  imap::Session::SelectRequest request;
  request.mailbox = replica.identity().wire_name;
  const auto patience = CallContext::within(engine_.sync_settings().command_timeout, context.stop);
  const auto selected = IMAPFS_TRY_WHILE("select", session.select(request, patience));
  replica.note_validity(selected.uid_validity.value_or(UidValidity{}));
  replica.news().publish();
  engine_.hint(mailbox_);
  return {};
}

Result<void> MailboxWatch::on_news(imap::Session& session, const CallContext& context) {
  if (!has_news()) return {};
  auto& replica = mailbox_->replica;
  if (!replica.record().known().complete || !replica.gate().try_enter()) {
    forget_news();
    engine_.hint(mailbox_);
    return {};
  }
  const auto began_after = engine_.begin_sync(mailbox_);
  auto result = take_news(session, context);
  const auto method = mailbox_->activity.with_lock([](const auto& activity) { return activity.method; });
  engine_.end_sync(mailbox_, began_after, method, result);
  return result;
}

Result<void> MailboxWatch::take_news(imap::Session& session, const CallContext& context) {
  MailboxSync sync(mailbox_->replica, engine_.sync_settings());
  const bool all = compare_all_;
  const bool messages_came = messages_came_;
  forget_news();
  auto& replica = mailbox_->replica;
  replica.news().received(news_since_);
  Result<void> result;
  const auto revision = replica.record().revision();
  if (all) result = sync.compare_all(session, context);
  else if (messages_came) result = sync.fetch_new(session, context);
  replica.news().publish();
  // What came and went between two looks of this session is in the table if another session saw it, and this one never
  // hears that it is gone.
  if (result && !all) result = sync.fetch_changes(session, highest_modseq_, context);
  replica.news().publish();
  replica.news().received(std::nullopt);
  // A server may say with every command that something has changed, and not what.
  if (all && compare_all_ && replica.record().revision() == revision) {
    forget_news();
    engine_.hint(mailbox_);
  }
  return result;
}

void MailboxWatch::forget_news() { messages_came_ = changes_came_ = compare_all_ = false; }

void MailboxWatch::on_watching(bool watching, const std::string& reason) {
  {
    auto snapshot = snapshot_.lock();
    snapshot->watching = watching;
    snapshot->reason = telemetry::printable(reason);
  }
  const auto name = snapshot().name;
  if (watching) engine_.watcher_connected();
  auto activity = mailbox_->activity.lock();
  if (watching) {
    activity->watched_by = name;
  } else if (activity->watched_by == name) {
    activity->watched_by.clear();
    // Until now nothing was missed, unless nothing could be heard.
    const bool heard_all = activity->heard && !may_have_missed_;
    if (heard_all && activity->checked != SteadyClock::time_point{}) activity->checked = SteadyClock::now();
  }
}

void MailboxWatch::on_connection_lost(bool silently) {
  may_have_missed_ = silently;
  engine_.watcher_lost(silently);
}

void MailboxWatch::on_connection_answers() { engine_.watcher_answers(); }

/// Messages that came, went or changed, whoever saw it first; and what NOTIFY tells of other mailboxes.
bool MailboxWatch::brought_news(bool told) {
  const auto revision = mailbox_->replica.record().revision();
  const bool changed = std::exchange(known_revision_, revision) != revision;
  if (changed && told) engine_.note_heard(mailbox_);
  return std::exchange(others_changed_, false) || changed;
}

void MailboxWatch::note_news(bool& what) {
  if (!has_news()) news_since_ = SteadyClock::now();
  what = true;
}

void MailboxWatch::on_exists(std::uint32_t messages) {
  if (!mailbox_->replica.count().accounts_for(messages)) note_news(messages_came_);
}

void MailboxWatch::on_expunge() { note_news(compare_all_); }

void MailboxWatch::on_vanished(const UidSet& uids) {
  mailbox_->replica.take_vanished(uids);
  mailbox_->replica.news().publish();
}

void MailboxWatch::on_fetch(const imap::FetchRow& row) {
  if (row.uid.value == 0) {
    note_news(compare_all_);
    return;
  }
  mailbox_->replica.take_flags(row);
  mailbox_->replica.news().publish();
}

void MailboxWatch::on_highest_modseq(ModSeq modseq) {
  highest_modseq_ = modseq;
  if (modseq > mailbox_->replica.record().known().highest_modseq) note_news(changes_came_);
}

void MailboxWatch::on_status(const imap::WireName& mailbox, const MailboxStatus& status) {
  if (engine_.take_status(mailbox, status)) others_changed_ = true;
}

void MailboxWatch::on_mailbox_list_changed() { engine_.relist_by_hint(); }

}  // namespace imapfs::sync
