#include "sync/imap_account.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/sync/errors.hpp"
#include "sync/account_status.hpp"
#include "sync/mailbox/sync_plan.hpp"

namespace imapfs::sync {

std::unique_ptr<SyncEngine> SyncEngine::create(EngineSettings settings, imap::SessionFactory factory,
                                               std::unique_ptr<store::MetadataStore> metadata,
                                               std::shared_ptr<store::MessageCache> bodies,
                                               std::shared_ptr<store::Journal> journal, Scheduler& scheduler,
                                               ChangeListener& listener) {
  return std::make_unique<ImapAccount>(std::move(settings), std::move(factory), std::move(metadata), std::move(bodies),
                                       std::move(journal), scheduler, listener);
}

// -- the parts --

ImapAccount::ImapAccount(EngineSettings settings, imap::SessionFactory factory,
                         std::unique_ptr<store::MetadataStore> metadata, std::shared_ptr<store::MessageCache> bodies,
                         std::shared_ptr<store::Journal> journal, Scheduler& scheduler, ChangeListener& listener)
    : settings_(std::move(settings)), factory_(std::move(factory)), cache_(std::move(bodies)),
      journal_(std::move(journal)), listener_(listener), store_(std::move(metadata)), helper_(scheduler),
      server_(settings_.timeout), mailboxes_({settings_.names, store_, helper_, listener, journal_, cache_}),
      tree_({settings_.account, mailboxes_, store_, listener}),
      tree_sync_({settings_.refresh, settings_.timeout}, {server_, tree_, store_, helper_}), rows_(store_, helper_),
      syncs_({settings_.refresh, settings_.poll_interval, settings_.timeout},
             {server_, rows_, helper_, *cache_, tree_sync_}),
      rights_questions_(server_), finder_({settings_.names, server_, rows_, syncs_, journal_ != nullptr}),
      details_({server_, syncs_, helper_, store_, *cache_}), status_news_(mailboxes_, syncs_),
      watchers_(
          {settings_.watch, settings_.refresh, settings_.poll_interval, settings_.idle_renewal, settings_.timeout},
          {factory_, server_, mailboxes_, rows_, syncs_, status_news_, idle_trust_, tree_sync_, helper_}),
      bodies_({settings_.account, settings_.timeout, settings_.whole_fetch_limit},
              {server_, mailboxes_, finder_, syncs_, helper_, cache_}),
      rights_(server_, mailboxes_, tree_), usage_(server_, mailboxes_, settings_.refresh),
      writing_(journal_ ? std::make_unique<Writing>(*this, *journal_) : nullptr),
      pool_news_({server_, tree_sync_, watchers_, listener, writing_ ? &writing_->changes : nullptr},
                 {mailboxes_, syncs_, status_news_, tree_sync_}) {}

ImapAccount::Writing::Writing(ImapAccount& account, store::Journal& journal)
    : changes(account.changes_dependencies(journal)),
      requests({account.server_, account.mailboxes_, account.rights_questions_, changes}),
      flags(account.server_, account.rights_questions_, changes),
      outcome(account.tree_sync_, account.settings_.timeout),
      clearing({account.server_, account.mailboxes_, account.syncs_, account.tree_, account.tree_sync_, account.rights_,
                changes}),
      creation({account.server_, account.mailboxes_, account.rights_questions_, account.tree_, account.tree_sync_,
                account.rights_, outcome}),
      removal({account.server_, account.mailboxes_, account.rights_questions_, journal, changes, requests, clearing,
               account.tree_, account.tree_sync_, account.rights_, outcome}),
      renaming({account.server_, account.mailboxes_, account.rights_questions_, journal, changes, requests,
                account.tree_, account.tree_sync_, account.rights_, outcome}) {}

Changes::Dependencies ImapAccount::changes_dependencies(store::Journal& journal) {
  return {
      settings_,
      journal,
      listener_,
      [this](imap::PoolJob job) { server_.submit(std::move(job)); },
      [this](SteadyClock::duration delay, Job job) { helper_.after(delay, std::move(job)); },
      [this](MailboxId id) { return mailboxes_.find(id); },
      [this](const std::string& name) { return mailboxes_.find_name(name); },
      [this](const MailboxPointer& mailbox, Job then) { rows_.with_rows(mailbox, std::move(then)); },
      [this](const MailboxPointer& mailbox) { syncs_.list_anew(mailbox); },
      [this](const MailboxPointer& mailbox, Completion<void> done) { syncs_.bring_in_step(mailbox, std::move(done)); },
      [this] { return tree_.tree(); },
      [this] {
        const auto traits = server_.traits();
        return traits ? traits->capabilities : imap::Capabilities();
      },
      [this] { return server_.online(); },
      [this](const MailboxPointer& mailbox) { rights_questions_.ask_again(mailbox); }};
}

ImapAccount::~ImapAccount() { stop(); }

// -- start and stop --

Result<void> ImapAccount::start(std::unique_ptr<imap::Session> first_session, const CallContext& context) {
  const bool is_online = first_session != nullptr;
  if (is_online) {
    server_.note_traits(*first_session);
    IMAPFS_TRY_WHILE("list mailboxes", tree_sync_.start(*first_session, context));
  } else {
    IMAPFS_TRY(tree_sync_.start_offline());
  }
  // Before anything is shown: what was removed by an earlier process stays removed.
  if (writing_) IMAPFS_TRY(writing_->changes.start());
  const auto watches = watch_budget(is_online && server_.has("NOTIFY"));
  open_pool(watches);
  bodies_.start();
  if (is_online) server_.adopt(std::move(first_session));
  if (writing_ && is_online) writing_->changes.on_online(true);
  watchers_.start(watches);
  return {};
}

std::size_t ImapAccount::watch_budget(bool has_notify) const {
  if (!settings_.watch || settings_.connections < 2) return 0;
  return settings_.connections >= 4 && !has_notify ? 2 : 1;
}

void ImapAccount::open_pool(std::size_t watches) {
  imap::SessionPool::Settings pool;
  pool.connections = settings_.connections - std::min(settings_.connections, watches);
  pool.connections = std::max<std::size_t>(1, pool.connections);
  pool.connect_timeout = settings_.timeout;
  pool.reconnect.grace = settings_.reconnect_grace;
  server_.open(pool, factory_, pool_news_);
}

void ImapAccount::stop() {
  if (!server_.stop()) return;
  helper_.close_timers();
  if (writing_) writing_->changes.stop();
  helper_.close();
  // Watchers and pool call back into the other parts until they are closed.
  watchers_.stop();
  bodies_.close();
  server_.close();
  if (writing_) writing_->changes.close();
  store_.close();
  mailboxes_.abandon_loads();
}

void ImapAccount::retry_now() {
  server_.retry_now();
  watchers_.retry_now();
  if (writing_ && server_.online()) writing_->changes.on_online(true);
  watchers_.tick_soon();
}

// -- mailboxes --

std::shared_ptr<const MessageTable> ImapAccount::table(MailboxId id) const {
  const auto mailbox = mailboxes_.find(id);
  return mailbox ? mailbox->replica.table() : nullptr;
}

DirectoryTime ImapAccount::directory_time(MailboxId id) const {
  DirectoryTime time = unwitnessed_directory_time({}, {}, 0);
  if (const auto mailbox = mailboxes_.find(id)) {
    const auto listed = mailbox->activity.with_lock([](const auto& activity) { return activity.listed; });
    time = mailbox->replica.record().directory_time(listed);
  }
  // Child mailboxes are content too.
  const auto shown = tree_.tree();
  const auto* const node = shown->find(id);
  if (node != nullptr && !node->children.empty())
    time.nanoseconds = static_cast<std::uint32_t>((time.nanoseconds + node->children_hash) % 1'000'000'000);
  return time;
}

void ImapAccount::freshen(MailboxId id, Completion<void> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  syncs_.freshen(mailbox, std::move(done));
}

void ImapAccount::await_rows(MailboxId id, Uid after, Completion<void> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  syncs_.await_rows(mailbox, after, std::move(done));
}

// -- messages --

void ImapAccount::find_message(MailboxId id, const std::string& name, Completion<MessageMeta> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  finder_.find(mailbox, name, std::move(done));
}

void ImapAccount::find_message(MailboxId id, Uid uid, Completion<MessageMeta> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  if (uid.value == 0) return done(fail(no_such_message()));
  finder_.find(mailbox, uid, std::move(done));
}

void ImapAccount::details(MailboxId id, Uid uid, Completion<MessageDetails> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  details_.read(mailbox, uid, done);
}

void ImapAccount::open_body(MailboxId id, Uid uid, Completion<std::shared_ptr<Body>> done) {
  open_body_at(id, uid, 0, 0, std::move(done));
}

void ImapAccount::open_body_at(MailboxId id, Uid uid, std::uint64_t offset, std::size_t length,
                               Completion<std::shared_ptr<Body>> done) {
  const auto mailbox = mailboxes_.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  bodies_.open(mailbox, uid, {offset, length}, std::move(done));
}

bool ImapAccount::open_can_wait(MailboxId id, Uid uid) const {
  const auto mailbox = mailboxes_.use(id);
  return mailbox && bodies_.open_can_wait(mailbox, uid);
}

// -- changes of messages --

std::optional<std::uint64_t> ImapAccount::append_limit() const {
  const auto traits = server_.traits();
  if (!traits) return std::nullopt;
  return imap::append_limit(traits->capabilities);
}

void ImapAccount::upload(const Upload& upload, Completion<Arrival> done) {
  if (!writing_) return done(fail(no_journal()));
  writing_->requests.upload(upload, std::move(done));
}

void ImapAccount::copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  if (!writing_) return reply.accepted(fail(no_journal()));
  writing_->requests.copy(source, target, std::move(reply));
}

void ImapAccount::move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) {
  if (!writing_) return reply.accepted(fail(no_journal()));
  writing_->requests.move(source, target, std::move(reply));
}

void ImapAccount::remove_message(const ChangeSource& source, ChangeReply reply) {
  if (!writing_) return reply.accepted(fail(no_journal()));
  writing_->requests.remove(source, std::move(reply));
}

void ImapAccount::expunge_message(const ChangeSource& source, ChangeReply reply) {
  if (!writing_) return reply.accepted(fail(no_journal()));
  writing_->requests.expunge(source, std::move(reply));
}

void ImapAccount::restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) {
  if (!writing_) return reply.accepted(fail(no_journal()));
  writing_->requests.restore(source, file_name, std::move(reply));
}

void ImapAccount::set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) {
  if (!writing_) return done(fail(no_journal()));
  const auto mailbox = mailboxes_.use(message.mailbox);
  if (!mailbox) return done(fail(no_such_mailbox()));
  writing_->flags.set(mailbox, message, change, std::move(done));
}

void ImapAccount::give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                            Completion<void> done) {
  if (!writing_) return done(fail(no_journal()));
  writing_->requests.give_name(message, name, replaces, std::move(done));
}

void ImapAccount::drain(MailboxId mailbox, Completion<void> done) {
  if (!writing_) return done({});
  writing_->requests.drain(mailbox, std::move(done));
}

std::vector<PendingArrival> ImapAccount::pending_arrivals() const {
  if (!writing_) return {};
  return writing_->changes.pending_arrivals();
}

void ImapAccount::await_change(ChangeId change, Completion<Arrival> finished) {
  if (!writing_) return finished(fail(ENOENT, "there is no such change"));
  writing_->changes.await_change(change, std::move(finished));
}

// -- changes of the tree --

void ImapAccount::create_mailbox(MailboxId parent, const std::string& component, Completion<MailboxId> done) {
  if (!writing_) return done(fail(no_journal()));
  writing_->creation.create(parent, component, std::move(done));
}

void ImapAccount::remove_mailbox(MailboxId mailbox, Completion<void> done) {
  if (!writing_) return done(fail(no_journal()));
  writing_->removal.remove(mailbox, std::move(done));
}

void ImapAccount::rename_mailbox(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
                                 Completion<void> done) {
  if (!writing_) return done(fail(no_journal()));
  writing_->renaming.rename(mailbox, new_parent, new_component, std::move(done));
}

// -- status --

nlohmann::json ImapAccount::status() const {
  AccountStatus status;
  status.account = settings_.account;
  status.pool = server_.status();
  status.watches = watchers_.snapshots();
  for (const auto& mailbox : mailboxes_.all()) status.mailboxes.push_back(status_of(mailbox));
  status.cache = cache_->usage();
  status.store = store_.snapshot();
  if (writing_) status.changes = writing_->changes.status();
  status.traits = server_.traits();
  status.idle = idle_trust_.text();
  return to_json(status);
}

}  // namespace imapfs::sync
