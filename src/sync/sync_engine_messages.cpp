// Single messages of SyncEngine: lookups by name and UID, bodies; and the account's usage.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/bodies/prefetcher.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

/// So many names that are not there in a mailbox that was never listed, and it is listed: `mv * ../Archive` asks for
/// every name before it gives it, and one question each would cost a round trip per message.
constexpr int most_names_in_vain = 8;

/// Whether nobody need hear of the length a body has turned out to have. That the size was right is kept only of a
/// message whose length has to be measured (BodyFetcher): a transaction for each message that tar reads would cost more
/// than the rest of it.
bool is_no_news(const MessageMeta& meta, std::uint64_t length, std::uint64_t whole_fetch_limit) {
  return meta.size == length && (meta.size_is_exact || length <= whole_fetch_limit);
}

}  // namespace

// -- lookups --

void EngineImplementation::find_message(MailboxId id, const std::string& name, Completion<MessageMeta> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  Lookup lookup{name, settings_.names.possible_uids(name), true};
  // Any name may have been given by a user.
  if (lookup.uids.empty() && !journal_) return done(fail(no_such_message()));
  find(mailbox, lookup, std::move(done));
}

void EngineImplementation::find_message(MailboxId id, Uid uid, Completion<MessageMeta> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  if (uid.value == 0) return done(fail(no_such_message()));
  find(mailbox, Lookup{fmt::format("#{}", uid.value), {uid}, false}, std::move(done));
}

std::optional<MessageMeta> EngineImplementation::find_known(const MailboxPointer& mailbox, const Lookup& lookup) {
  if (lookup.by_name) return mailbox->replica.messages().find_by_name(lookup.key);
  return mailbox->replica.messages().find(lookup.uids.front());
}

void EngineImplementation::find(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done) {
  if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
  with_rows_loaded(mailbox, [this, mailbox, lookup, done = std::move(done)] { find_loaded(mailbox, lookup, done); });
}

void EngineImplementation::find_loaded(const MailboxPointer& mailbox, const Lookup& lookup,
                                       const Completion<MessageMeta>& done) {
  if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
  const auto& table = mailbox->replica.table();
  if (!table->complete()) {
    const auto exact_to = table->frontier();
    // A name that no template makes can only be a local one, and those are known once UIDVALIDITY is.
    const bool named = lookup.by_name && !table->uids_named(lookup.key).empty();
    const bool below = lookup.uids.empty() ? mailbox->replica.messages().names_known()
                                           : std::all_of(lookup.uids.begin(), lookup.uids.end(),
                                                         [&](Uid uid) { return uid <= exact_to; });
    if (below && !named) return done(fail(no_such_message()));
    if (lookup.by_name && mailbox->names_asked_in_vain >= most_names_in_vain)
      return list_and_find(mailbox, lookup, done);
    return fetch_single(mailbox, lookup, done);
  }
  if (is_fresh(mailbox) || !online()) return done(fail(no_such_message()));
  // News are on their way into the table and will be announced, so a name that is not there yet is not there now. Who
  // moves messages here asks for every name first, and each batch that arrives is news.
  if (lookup.by_name && was_checked_lately(mailbox)) return done(fail(no_such_message()));
  freshen_loaded(mailbox, [mailbox, lookup, done](const Result<void>&) {
    auto known = find_known(mailbox, lookup);
    if (!known) return done(fail(no_such_message()));
    done(std::move(*known));
  });
}

void EngineImplementation::list_and_find(const MailboxPointer& mailbox, const Lookup& lookup,
                                         const Completion<MessageMeta>& done) {
  auto listed = [mailbox, lookup, done](const Result<void>& result) {
    if (auto known = find_known(mailbox, lookup)) return done(std::move(*known));
    if (!result) return done(fail(result.error()));
    done(fail(no_such_message()));
  };
  if (mailbox->replica.gate().join(std::move(listed))) start_sync_unless_fresh(mailbox);
}

Result<void> EngineImplementation::examine(const MailboxPointer& mailbox, imap::Session& session,
                                           const CallContext& context) {
  auto& replica = mailbox->replica;
  const auto& wire_name = replica.identity().wire_name;
  const auto wanted = replica.table()->uid_validity();
  const auto told = session.selection().uid_validity.value_or(wanted);
  // Selected for a change, or for an earlier replica of the mailbox: ours may not know its UIDVALIDITY yet. A session
  // may also have a mailbox open that was removed since, and made anew under the same name (RFC 2180 §3.1).
  if (session.selected() != wire_name || (wanted.value != 0 && told != wanted)) {
    imap::Session::SelectRequest request;
    request.mailbox = wire_name;
    IMAPFS_TRY_WHILE("select", session.select(request, context));
  }
  replica.note_validity(session.selection().uid_validity.value_or(UidValidity{}));
  replica.news().publish();
  const auto validity = session.selection().uid_validity.value_or(wanted);
  if (replica.table()->uid_validity() == validity) return {};
  return fail(ESTALE, Scope::mailbox, Retry::later, "the mailbox has UIDVALIDITY {} now", validity.value);
}

/// A mailbox that was made anew is listed anew.
Result<void> EngineImplementation::examine_and_follow(const MailboxPointer& mailbox, imap::Session& session,
                                                      const CallContext& context) {
  auto examined = examine(mailbox, session, context);
  if (!examined && examined.error().errnum == ESTALE) hint(mailbox);
  return examined;
}

void EngineImplementation::fetch_single(const MailboxPointer& mailbox, const Lookup& lookup,
                                        Completion<MessageMeta> done) {
  if (!mailbox->lookups.join(lookup.key, std::move(done))) return;
  auto found = std::make_shared<std::optional<MessageMeta>>();
  imap::PoolJob job;
  job.mailbox = mailbox->replica.identity().wire_name;
  job.context = patience();
  job.what = fmt::format("look up {} in {}", telemetry::printable(lookup.key, 60),
                         telemetry::printable(job.mailbox, 60));
  job.run = [this, mailbox, lookup, found](imap::Session& session, const CallContext& context) -> Result<void> {
    IMAPFS_TRY(examine_and_follow(mailbox, session, context));
    const auto& table = *mailbox->replica.table();
    auto candidates = lookup.by_name ? table.uids_named(lookup.key) : std::vector<Uid>();
    candidates.insert(candidates.end(), lookup.uids.begin(), lookup.uids.end());
    if (candidates.empty()) return {};
    imap::Session::FetchRequest request;
    request.uids = UidSet::of(candidates);
    request.items = MessageFetch::listing_items(settings_.names, session.traits().has("CONDSTORE"));
    IMAPFS_TRY(session.fetch(
        request,
        [&](const imap::FetchRow& row) {
          // Servers may mention other messages; only what was asked for is an answer.
          if (!request.uids.contains(row.uid) || (!row.size && !row.internal_date)) return;
          auto meta = mailbox->replica.messages().take_single(row);
          if (!lookup.by_name) *found = std::move(meta);
        },
        context));
    if (lookup.by_name) *found = mailbox->replica.messages().find_by_name(lookup.key);
    return {};
  };
  job.done = [mailbox, lookup, found](const Result<void>& result) {
    if (result && !*found && lookup.by_name) ++mailbox->names_asked_in_vain;
    for (const auto& waiting : mailbox->lookups.finish(lookup.key)) {
      if (!result) waiting(fail(result.error()));
      else if (*found) waiting(**found);
      else waiting(fail(no_such_message()));
    }
  };
  submit(std::move(job));
}

// -- bodies --

void EngineImplementation::open_body(MailboxId id, Uid uid, Completion<std::shared_ptr<Body>> done) {
  find_and_open(id, uid, {}, std::move(done));
}

void EngineImplementation::open_body_at(MailboxId id, Uid uid, std::uint64_t offset, std::size_t length,
                                        Completion<std::shared_ptr<Body>> done) {
  find_and_open(id, uid, {offset, length}, std::move(done));
}

/// `wanted`: empty where the length must be known.
void EngineImplementation::find_and_open(MailboxId id, Uid uid, imap::OctetRange wanted,
                                         Completion<std::shared_ptr<Body>> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  find(mailbox, Lookup{fmt::format("#{}", uid.value), {uid}, false},
       [this, mailbox, wanted, done = std::move(done)](const Result<MessageMeta>& meta) {
         if (!meta) return done(fail(meta.error()));
         open_known(mailbox, *meta, wanted, done);
       });
}

bool EngineImplementation::open_can_wait(MailboxId id, Uid uid) const {
  const auto mailbox = use_mailbox(id);
  if (!mailbox || !bodies_ || !online()) return false;
  const auto meta = mailbox->replica.messages().find(uid);
  if (!meta) return false;
  if (!meta->size_is_exact) {
    // The kernel asks for no octet of a file that it holds for empty.
    if (meta->size == 0) return false;
    const bool wrong_sizes = sizes_are_wrong_ || traits_.with_lock([](const auto& traits) {
      return !traits || traits->has(imap::Quirk::wrong_sizes);
    });
    if (wrong_sizes) return false;
  }
  return !bodies_->contains({mailbox->replica.identity().name, mailbox->replica.table()->uid_validity(), uid});
}

void EngineImplementation::open_known(const MailboxPointer& mailbox, const MessageMeta& meta, imap::OctetRange wanted,
                                      const Completion<std::shared_ptr<Body>>& done) {
  if (!fetcher_) return done(fail(ECANCELED, Scope::account, Retry::never, "the account is not running"));
  const auto& identity = mailbox->replica.identity();
  BodyFetcher::Request request;
  request.mailbox = identity.id;
  request.wire_name = identity.wire_name;
  request.key = {identity.name, mailbox->replica.table()->uid_validity(), meta.uid};
  request.size = meta.size;
  request.size_is_exact = meta.size_is_exact;
  request.is_current = [mailbox, validity = request.key.uid_validity] {
    return mailbox->replica.table()->uid_validity() == validity;
  };
  if (online()) prefetcher_->opened(request, {mailbox->replica.table(), identity.path});
  const auto caller = std::this_thread::get_id();
  fetcher_->open_at(request, wanted, [this, mailbox, meta, done, caller](Result<std::shared_ptr<Body>> body) {
    if (!body && body.error().errnum == ENOENT && body.error().scope == Scope::message)
      message_is_gone(mailbox, meta.uid);
    // The fetcher tells the length itself when it is proved.
    if (!body || !(*body)->length_is_proved()) return done(std::move(body));
    if (is_no_news(meta, (*body)->length(), settings_.whole_fetch_limit)) return done(std::move(body));
    // Everybody hears of the right size before the first byte can be read.
    note_length(meta, (*body)->length());
    const auto correct = [mailbox, uid = meta.uid, done, body = std::move(*body)] {
      mailbox->replica.messages().take_exact_size(uid, body->length(), [done, body] { done(body); });
    };
    // Answered within the call: that may be a FUSE thread, which must not wait for the store's queue.
    if (std::this_thread::get_id() != caller || !helper_ || !helper_->try_post(correct)) correct();
  });
}

/// The server has no such message any more, though we have: nobody told us.
void EngineImplementation::message_is_gone(const MailboxPointer& mailbox, Uid uid) {
  if (mailbox->replica.table()->find(uid)) return hint(mailbox);
  mailbox->replica.take_vanished(UidSet::single(uid));
  mailbox->replica.news().publish();
}

/// A server that is wrong about one size is wrong about others: from then on bodies are asked for when they are opened,
/// before a program has gone by the size.
void EngineImplementation::note_length(const MessageMeta& told, std::uint64_t length) {
  if (told.size_is_exact || told.size == 0 || told.size == length || sizes_are_wrong_.exchange(true)) return;
  telemetry::info("sizes are not trusted any more: the server told {} octets of a message that has {}", told.size,
                  length);
}

void EngineImplementation::open_fetcher() {
  BodyFetcher::Settings fetcher;
  fetcher.timeout = settings_.timeout;
  fetcher.whole_fetch_limit = settings_.whole_fetch_limit;
  fetcher_ = std::make_unique<BodyFetcher>(
      fetcher, [this](imap::PoolJob job) { submit(std::move(job)); }, bodies_,
      [this](MailboxId id, Uid uid, std::uint64_t length) {
        const auto mailbox = find_mailbox(id);
        if (!mailbox) return;
        if (const auto told = mailbox->replica.messages().find(uid)) note_length(*told, length);
        mailbox->replica.messages().take_exact_size(uid, length, {});
      });
  Prefetcher::Settings ahead;
  ahead.connections = pool_->status().connections.size();
  ahead.message_bytes = settings_.whole_fetch_limit;
  ahead.cache_bytes = bodies_->usage().limit;
  ahead.account = settings_.account;
  prefetcher_ = std::make_unique<Prefetcher>(
      ahead, *fetcher_, bodies_, [this] { return pool_->somebody_waits(); },
      [this](Job job) { return helper_->try_post(std::move(job)); });
}

// -- usage --

void EngineImplementation::usage(Completion<Usage> done) {
  const auto cached = usage_.with_lock([](const CachedUsage& state) { return state; });
  const bool fresh = SteadyClock::now() - cached.measured < settings_.refresh;
  if (cached.usage && (fresh || !online())) return done(*cached.usage);
  if (!usage_flight_.join(0, std::move(done))) return;
  auto quota = std::make_shared<std::optional<imap::Quota>>();
  imap::PoolJob job;
  job.context = patience();
  job.what = "quota";
  job.run = [quota](imap::Session& session, const CallContext& context) -> Result<void> {
    *quota = IMAPFS_TRY(session.quota("INBOX", context));
    return {};
  };
  job.done = [this, quota](const Result<void>&) {
    // Without a quota, or without a connection, what is known of the messages has to do.
    finish_usage(*quota ? Usage{(*quota)->used_kib, (*quota)->limit_kib} : known_usage());
  };
  submit(std::move(job));
}

void EngineImplementation::finish_usage(const Usage& usage) {
  *usage_.lock() = {usage, SteadyClock::now()};
  for (const auto& waiting : usage_flight_.finish(0)) waiting(usage);
}

Usage EngineImplementation::known_usage() const {
  std::uint64_t bytes = 0;
  for (const auto& mailbox : all_mailboxes()) {
    const auto told = mailbox->activity.lock()->listed.size;
    if (told) {
      bytes += *told;
      continue;
    }
    Uid last;
    // In pages: the table's lock is not held for long.
    while (true) {
      const auto page = mailbox->replica.table()->visit_after(last, 10'000, [&](const MessageTable::RowView& row) {
        bytes += row.size;
        last = row.uid;
        return true;
      });
      if (page.rows == 0) break;
    }
  }
  return {(bytes + 1023) / 1024, std::nullopt};
}

}  // namespace imapfs::sync
