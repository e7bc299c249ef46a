#include "sync/mailbox/mailbox_watch.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/mailbox/mailbox_sync.hpp"

namespace imapfs::sync {
namespace {

/// Waits on the watcher's thread while the store's thread reads the rows.
Result<void> wait_for_rows(RowLoader& rows, const MailboxPointer& mailbox, const CallContext& context) {
  struct Latch {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool open = false;
  };
  auto latch = std::make_shared<Latch>();
  rows.with_rows(mailbox, [latch] {
    const std::lock_guard guard(latch->mutex);
    latch->open = true;
    latch->changed.notify_all();
  });
  std::unique_lock lock(latch->mutex);
  const auto open = [&] { return latch->open; };
  // wait_until() with the maximum overflows when some clocks convert it.
  if (context.deadline == Deadline::max()) latch->changed.wait(lock, context.stop, open);
  else latch->changed.wait_until(lock, context.stop, context.deadline, open);
  if (latch->open) return {};
  return context.cancelled() ? fail(EINTR, "cancelled")
                             : fail(ETIMEDOUT, Scope::session, Retry::later, "read the cache");
}

}  // namespace

MailboxWatch::MailboxWatch(Dependencies dependencies, MailboxPointer mailbox, imap::Watcher::Settings settings,
                           const imap::SessionFactory& factory)
    : dependencies_(dependencies), mailbox_(std::move(mailbox)), watcher_(settings, factory, *this) {
  auto snapshot = snapshot_.lock();
  snapshot->name = settings.name;
  snapshot->path = mailbox_->replica.identity().path;
}

void MailboxWatch::News::note(bool& what) {
  if (!any()) since = SteadyClock::now();
  what = true;
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
  dependencies_.server.note_traits(session);
  snapshot_.lock()->description = session.description();
  news_ = {};
  known_revision_ = mailbox_->replica.record().revision();
  may_have_missed_ = false;
  auto result = catch_up(session, context);
  // The watcher gives up after an Error that no new connection can help.
  ended_ = !result && !result.error().may_pass();
  return result;
}

/// Brings existing rows in step on this session; a mailbox that was never listed is only selected.
Result<void> MailboxWatch::catch_up(imap::Session& session, const CallContext& context) {
  auto& replica = mailbox_->replica;
  if (replica.stored_rows().stored_or_listed()) {
    IMAPFS_TRY(wait_for_rows(dependencies_.rows, mailbox_, context));
    if (replica.record().known().complete) {
      if (replica.gate().try_enter()) {
        const auto began_after = SyncScheduler::begin(mailbox_);
        MailboxSync sync(replica, dependencies_.syncs.sync_settings());
        auto result = sync.run(session, context);
        dependencies_.syncs.end(mailbox_, began_after, sync.method(), result);
        return result;
      }
      // It is selected below, so that no news is missed; the next sync handles what came before.
    }
  }
  imap::Session::SelectRequest request;
  request.mailbox = replica.identity().wire_name;
  const auto patience = CallContext::within(dependencies_.syncs.sync_settings().command_timeout, context.stop);
  const auto selected = IMAPFS_TRY_WHILE("select", session.select(request, patience));
  replica.note_validity(selected.uid_validity.value_or(UidValidity{}));
  replica.news().publish();
  dependencies_.syncs.hint(mailbox_);
  return {};
}

Result<void> MailboxWatch::on_news(imap::Session& session, const CallContext& context) {
  if (!news_.any()) return {};
  auto& replica = mailbox_->replica;
  if (!replica.record().known().complete || !replica.gate().try_enter()) {
    news_ = {};
    dependencies_.syncs.hint(mailbox_);
    return {};
  }
  const auto began_after = SyncScheduler::begin(mailbox_);
  auto result = take_news(session, context);
  const auto method = mailbox_->activity.with_lock([](const auto& activity) { return activity.method; });
  dependencies_.syncs.end(mailbox_, began_after, method, result);
  return result;
}

Result<void> MailboxWatch::take_news(imap::Session& session, const CallContext& context) {
  MailboxSync sync(mailbox_->replica, dependencies_.syncs.sync_settings());
  const auto news = std::exchange(news_, {});
  auto& replica = mailbox_->replica;
  replica.news().received(news.since);
  Result<void> result;
  const auto revision = replica.record().revision();
  if (news.compare_all) result = sync.compare_all(session, context);
  else if (news.messages_came) result = sync.fetch_new(session, context);
  replica.news().publish();
  // Another session may have put into the table a message that came and went between two looks of this one. Only this
  // fetch tells that it is gone.
  if (result && !news.compare_all) result = sync.fetch_changes(session, highest_modseq_, context);
  replica.news().publish();
  replica.news().received(std::nullopt);
  // Some servers report with every command that something has changed, but not what.
  if (news.compare_all && news_.compare_all && replica.record().revision() == revision) {
    news_ = {};
    dependencies_.syncs.hint(mailbox_);
  }
  return result;
}

void MailboxWatch::on_watching(bool watching, const std::string& reason) {
  {
    auto snapshot = snapshot_.lock();
    snapshot->watching = watching;
    snapshot->reason = telemetry::printable(reason);
  }
  const auto name = snapshot().name;
  if (watching) dependencies_.connection_listener.on_watch_connected();
  auto activity = mailbox_->activity.lock();
  if (watching) {
    activity->watched_by = name;
  } else if (activity->watched_by == name) {
    activity->watched_by.clear();
    // A trusted watch has missed nothing until now, unless the connection was silent.
    const bool heard_all = activity->heard && !may_have_missed_;
    if (heard_all && activity->checked != SteadyClock::time_point{}) activity->checked = SteadyClock::now();
  }
}

void MailboxWatch::on_connection_lost(bool silently) {
  may_have_missed_ = silently;
  dependencies_.connection_listener.on_watch_lost(silently);
}

void MailboxWatch::on_connection_answers() { dependencies_.connection_listener.on_watch_answers(); }

/// True for messages that came, went or changed, whoever saw it first, and for news of other mailboxes by NOTIFY.
bool MailboxWatch::brought_news(bool told) {
  const auto revision = mailbox_->replica.record().revision();
  const bool changed = std::exchange(known_revision_, revision) != revision;
  if (changed && told) dependencies_.idle_trust.heard(mailbox_);
  return std::exchange(others_changed_, false) || changed;
}

void MailboxWatch::on_exists(std::uint32_t messages) {
  if (!mailbox_->replica.count().accounts_for(messages)) news_.note(news_.messages_came);
}

void MailboxWatch::on_expunge() { news_.note(news_.compare_all); }

void MailboxWatch::on_vanished(const UidSet& uids) {
  mailbox_->replica.take_vanished(uids);
  mailbox_->replica.news().publish();
}

void MailboxWatch::on_fetch(const imap::FetchRow& row) {
  if (row.uid.value == 0) {
    news_.note(news_.compare_all);
    return;
  }
  mailbox_->replica.take_flags(row);
  mailbox_->replica.news().publish();
}

void MailboxWatch::on_highest_modseq(ModSeq modseq) {
  highest_modseq_ = modseq;
  if (modseq > mailbox_->replica.record().known().highest_modseq) news_.note(news_.changes_came);
}

void MailboxWatch::on_status(const imap::WireName& mailbox, const MailboxStatus& status) {
  if (dependencies_.status_news.take(mailbox, status)) others_changed_ = true;
}

void MailboxWatch::on_mailbox_list_changed() { dependencies_.list_listener.on_mailbox_list_changed(); }

}  // namespace imapfs::sync
