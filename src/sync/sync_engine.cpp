#include "imapfs/sync/sync_engine.hpp"

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "sync/bodies/prefetcher.hpp"
#include "sync/changes/changes.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {

std::unique_ptr<SyncEngine> SyncEngine::create(EngineSettings settings, imap::SessionFactory factory,
                                               std::unique_ptr<store::MetadataStore> metadata,
                                               std::shared_ptr<store::MessageCache> bodies,
                                               std::shared_ptr<store::Journal> journal, Scheduler& scheduler,
                                               ChangeListener& listener) {
  return std::make_unique<EngineImplementation>(std::move(settings), std::move(factory), std::move(metadata),
                                                std::move(bodies), std::move(journal), scheduler, listener);
}

EngineImplementation::EngineImplementation(EngineSettings settings, imap::SessionFactory factory,
                                           std::unique_ptr<store::MetadataStore> metadata,
                                           std::shared_ptr<store::MessageCache> bodies,
                                           std::shared_ptr<store::Journal> journal, Scheduler& scheduler,
                                           ChangeListener& listener)
    : settings_(std::move(settings)), factory_(std::move(factory)), bodies_(std::move(bodies)),
      journal_(std::move(journal)), scheduler_(scheduler), listener_(listener), store_(std::move(metadata)) {
  handle_->engine = this;
  changes_ = make_mutations();
  tree_.lock()->tree = MailboxTree::build(settings_.account, {}, {});
}

EngineImplementation::~EngineImplementation() { stop(); }

Result<void> EngineImplementation::start(std::unique_ptr<imap::Session> first_session, const CallContext& context) {
  if (first_session) {
    note_traits(*first_session);
    IMAPFS_TRY_WHILE("list mailboxes", start_with_listing(*first_session, context));
  } else {
    const auto listing = stored_listing();
    if (!listing) return fail(EHOSTUNREACH, Scope::account, Retry::later, "no connection, and nothing is cached");
    adopt_listing(*listing, true);
  }
  const bool is_online = first_session != nullptr;
  // Before anything is shown: what was removed by an earlier process stays removed.
  if (changes_) IMAPFS_TRY(changes_->start());
  open_pool(first_session && first_session->traits().has("NOTIFY"));
  if (first_session) pool_->adopt(std::move(first_session));
  if (changes_ && is_online) changes_->on_online(true);
  tick_soon();
  schedule_tick();
  return {};
}

void EngineImplementation::open_pool(bool has_notify) {
  watch_budget_ = 0;
  if (settings_.watch && settings_.connections >= 2) watch_budget_ = 1;
  if (settings_.watch && settings_.connections >= 4 && !has_notify) watch_budget_ = 2;
  imap::SessionPool::Settings pool;
  pool.connections = std::max<std::size_t>(1, settings_.connections - std::min(settings_.connections, watch_budget_));
  pool.connect_timeout = settings_.timeout;
  pool.reconnect.grace = settings_.reconnect_grace;
  pool_ = std::make_unique<imap::SessionPool>(pool, factory_, this);
  open_fetcher();
}

void EngineImplementation::stop() {
  if (stopping_.exchange(true)) return;
  {
    const std::lock_guard guard(handle_->mutex);
    handle_->engine = nullptr;
  }
  if (changes_) changes_->stop();
  helper_->close();
  // Watchers and pool call back into this object until they are closed.
  auto watches = std::exchange(*watches_.lock(), {});
  for (const auto& watch : watches) watch->stop();
  if (fetcher_) fetcher_->close();
  if (pool_) pool_->close();
  if (changes_) changes_->close();
  store_.close();
  for (const auto& mailbox : all_mailboxes()) mailbox->replica.stored_rows().abandon_load();
}

void EngineImplementation::retry_now() {
  if (pool_) pool_->retry_now();
  const auto watches = watches_.with_lock([](const auto& all) { return all; });
  for (const auto& watch : watches) watch->retry_now();
  if (changes_ && online()) changes_->on_online(true);
  tick_soon();
}

void EngineImplementation::submit(imap::PoolJob job) {
  if (pool_ && !stopping_) return pool_->submit(std::move(job));
  if (job.done) job.done(fail(ECANCELED, Scope::account, Retry::never, "the account is not running"));
}

CallContext EngineImplementation::patience() const { return CallContext::within(settings_.timeout); }

void EngineImplementation::with_connection(Job then) {
  if (online()) return then();
  imap::PoolJob job;
  job.context = patience();
  job.what = "reconnect";
  job.run = [](imap::Session&, const CallContext&) -> Result<void> { return {}; };
  job.done = [then = std::move(then)](const Result<void>&) { then(); };
  submit(std::move(job));
}

void EngineImplementation::later(SteadyClock::duration delay, std::function<void(EngineImplementation&)> function) {
  scheduler_.after(delay, [handle = handle_, function = std::move(function)] {
    const std::lock_guard guard(handle->mutex);
    if (handle->engine != nullptr) function(*handle->engine);
  });
}

imap::UntaggedListener* EngineImplementation::on_session_opened(imap::Session& session) {
  note_traits(session);
  auto listeners = session_listeners_.lock();
  // Keyed by address: a session that is gone leaves its place to the next one there.
  auto& listener = (*listeners)[&session];
  if (!listener) listener = std::make_unique<PoolSessionListener>(*this, session);
  return listener.get();
}

void EngineImplementation::on_online(bool online, const std::string& reason) {
  telemetry::info("{}: {}", online ? "online" : "offline", telemetry::printable(reason));
  listener_.on_online(online, reason);
  if (changes_) changes_->on_online(online);
  if (!online) return;
  list_if_outdated();
  tick_soon();
}

void EngineImplementation::watcher_connected() {
  if (online() || !pool_) return;
  pool_->retry_now();
  tick_soon();
}

void EngineImplementation::on_connection_doubted() {
  const auto watches = watches_.with_lock([](const auto& all) { return all; });
  for (const auto& watch : watches) watch->ask();
}

void EngineImplementation::watcher_lost(bool silently) {
  if (pool_) pool_->neighbour_lost(silently);
  on_connection_doubted();
}

void EngineImplementation::watcher_answers() {
  if (pool_) pool_->neighbour_answers();
}

bool EngineImplementation::online() const { return pool_ && pool_->online(); }

void EngineImplementation::note_traits(const imap::Session& session) { *traits_.lock() = session.traits(); }

}  // namespace imapfs::sync
