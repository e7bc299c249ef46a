#include "imapfs/sync/imap_account.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "sync/account_parts.hpp"
#include "sync/account_status.hpp"

namespace imapfs::sync {
namespace {

/// Connections that watchers get, each of which watches a mailbox.
std::size_t watch_budget(const SyncSettings& settings, bool has_notify) {
  if (!settings.watch || settings.connections < 2) return 0;
  return settings.connections >= 4 && !has_notify ? 2 : 1;
}

/// The pool has the other connections.
imap::SessionPool::Settings pool_settings(const SyncSettings& settings, std::size_t watches) {
  imap::SessionPool::Settings pool;
  pool.connections = settings.connections - std::min(settings.connections, watches);
  pool.connections = std::max<std::size_t>(1, pool.connections);
  pool.connect_timeout = settings.timeout;
  pool.reconnect.grace = settings.reconnect_grace;
  return pool;
}

}  // namespace

ImapAccount::ImapAccount(SyncSettings settings, imap::SessionFactory factory,
                         std::unique_ptr<store::MetadataStore> metadata, std::shared_ptr<store::MessageCache> bodies,
                         std::shared_ptr<store::Journal> journal, Scheduler& scheduler, ChangeListener& listener)
    : parts_(std::make_unique<AccountParts>(AccountParts::Given{std::move(settings), std::move(factory),
                                                                std::move(metadata), std::move(bodies),
                                                                std::move(journal), scheduler, listener})) {}

ImapAccount::~ImapAccount() { stop(); }

Result<void> ImapAccount::start(std::unique_ptr<imap::Session> first_session, const CallContext& context) {
  const bool is_online = first_session != nullptr;
  if (is_online) {
    parts_->server.note_traits(*first_session);
    IMAPFS_TRY_WHILE("list mailboxes", parts_->tree_sync.start(*first_session, context));
  } else {
    IMAPFS_TRY(parts_->tree_sync.start_offline());
  }
  // Before anything is shown: what was removed by an earlier process stays removed.
  if (parts_->writing) IMAPFS_TRY(parts_->writing->changes.start());
  const auto watches = watch_budget(parts_->settings, is_online && parts_->server.has("NOTIFY"));
  parts_->server.open(pool_settings(parts_->settings, watches), parts_->factory, parts_->pool_news);
  parts_->bodies.start();
  if (is_online) parts_->server.adopt(std::move(first_session));
  if (parts_->writing && is_online) parts_->writing->changes.on_online(true);
  parts_->watchers.start(watches);
  return {};
}

void ImapAccount::stop() {
  if (!parts_->server.stop()) return;
  parts_->helper.close_timers();
  if (parts_->writing) parts_->writing->changes.stop();
  parts_->helper.close();
  // Watchers and pool call back into the other parts until they are closed.
  parts_->watchers.stop();
  parts_->bodies.close();
  parts_->server.close();
  if (parts_->writing) parts_->writing->changes.close();
  parts_->store.close();
  parts_->mailboxes.abandon_loads();
}

void ImapAccount::retry_now() {
  parts_->server.retry_now();
  parts_->watchers.retry_now();
  if (parts_->writing && parts_->server.online()) parts_->writing->changes.on_online(true);
  parts_->watchers.tick_soon();
}

// -- Account --

const std::string& ImapAccount::name() const { return parts_->settings.account; }

MailboxReader& ImapAccount::mailboxes() { return parts_->reader; }

const MailboxReader& ImapAccount::mailboxes() const { return parts_->reader; }

BodyReader& ImapAccount::bodies() { return parts_->bodies; }

MessageChanger& ImapAccount::changes() {
  if (parts_->writing) return parts_->writing->requests;
  return parts_->read_only_messages;
}

MailboxChanger& ImapAccount::mailbox_changes() {
  if (parts_->writing) return parts_->writing->tree_changes;
  return parts_->read_only_mailboxes;
}

void ImapAccount::usage(Completion<Usage> done) { parts_->usage.tell(std::move(done)); }

nlohmann::json ImapAccount::status() const {
  AccountStatus status;
  status.account = parts_->settings.account;
  status.pool = parts_->server.status();
  status.watches = parts_->watchers.snapshots();
  for (const auto& mailbox : parts_->mailboxes.all()) status.mailboxes.push_back(status_of(mailbox));
  status.cache = parts_->cache->usage();
  status.store = parts_->store.snapshot();
  if (parts_->writing) status.changes = parts_->writing->changes.status();
  status.traits = parts_->server.traits();
  status.idle = parts_->idle_trust.text();
  return to_json(status);
}

}  // namespace imapfs::sync
