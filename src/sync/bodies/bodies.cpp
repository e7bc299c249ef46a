#include "sync/bodies/bodies.hpp"

#include <thread>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"

namespace imapfs::sync {

Bodies::Bodies(Settings settings, Dependencies dependencies)
    : settings_(std::move(settings)), dependencies_(std::move(dependencies)) {}

void Bodies::start() {
  BodyFetcher::Settings fetcher;
  fetcher.timeout = settings_.timeout;
  fetcher.whole_fetch_limit = settings_.whole_fetch_limit;
  auto& server = dependencies_.server;
  fetcher_ = std::make_unique<BodyFetcher>(
      fetcher, [&server](imap::PoolJob job) { server.submit(std::move(job)); }, dependencies_.cache,
      [this](MailboxId mailbox, Uid uid, std::uint64_t length) { take_length(mailbox, uid, length); });
  const Prefetcher::Settings ahead{server.status().connections.size(), settings_.whole_fetch_limit,
                                   dependencies_.cache->usage().limit, settings_.account};
  prefetcher_ = std::make_unique<Prefetcher>(
      ahead, *fetcher_, dependencies_.cache, [&server] { return server.somebody_waits(); },
      [&helper = dependencies_.helper](Job job) { return helper.try_post(std::move(job)); });
}

void Bodies::close() {
  if (fetcher_) fetcher_->close();
}

void Bodies::open(MailboxId id, Uid uid, Completion<std::shared_ptr<Body>> done) {
  open_at(id, uid, 0, 0, std::move(done));
}

void Bodies::open_at(MailboxId id, Uid uid, std::uint64_t offset, std::size_t length,
                     Completion<std::shared_ptr<Body>> done) {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  const imap::OctetRange wanted{offset, length};
  dependencies_.finder.find(mailbox, uid,
                            [this, mailbox, wanted, done = std::move(done)](const Result<MessageMeta>& meta) {
                              if (!meta) return done(fail(meta.error()));
                              open_known(mailbox, *meta, wanted, done);
                            });
}

bool Bodies::can_wait(MailboxId id, Uid uid) const {
  const auto mailbox = dependencies_.mailboxes.use(id);
  if (!mailbox || !dependencies_.server.online()) return false;
  const auto meta = mailbox->replica.messages().find(uid);
  if (!meta) return false;
  if (!meta->size_is_exact) {
    // The kernel asks for no byte of a file that it holds for empty.
    if (meta->size == 0) return false;
    const auto traits = dependencies_.server.traits();
    if (sizes_are_wrong_ || !traits || traits->has(imap::Quirk::wrong_sizes)) return false;
  }
  const auto& replica = mailbox->replica;
  return !dependencies_.cache->contains({replica.identity().name, replica.table()->uid_validity(), uid});
}

BodyFetcher::Request Bodies::request_for(const MailboxPointer& mailbox, const MessageMeta& meta) {
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
  return request;
}

void Bodies::open_known(const MailboxPointer& mailbox, const MessageMeta& meta, imap::OctetRange wanted,
                        const Completion<std::shared_ptr<Body>>& done) {
  if (!fetcher_) return done(fail(ECANCELED, Scope::account, Retry::never, "the account is not running"));
  const auto request = request_for(mailbox, meta);
  if (dependencies_.server.online())
    prefetcher_->opened(request, {mailbox->replica.table(), mailbox->replica.identity().path});
  const auto caller = std::this_thread::get_id();
  fetcher_->open_at(request, wanted, [this, mailbox, meta, done, caller](Result<std::shared_ptr<Body>> body) {
    if (!body && body.error().errnum == ENOENT && body.error().scope == Scope::message)
      message_is_gone(mailbox, meta.uid);
    if (!body) return done(std::move(body));
    opened(mailbox, meta, std::move(*body), std::this_thread::get_id() != caller, done);
  });
}

/// Everybody hears of the right size before the first byte can be read. `may_wait`: this is a thread that may wait for
/// room in the store's queue, as no FUSE thread may.
void Bodies::opened(const MailboxPointer& mailbox, const MessageMeta& meta, std::shared_ptr<Body> body, bool may_wait,
                    const Completion<std::shared_ptr<Body>>& done) {
  // The fetcher tells the length itself when it is proved.
  if (!body->length_is_proved() || is_no_news(meta, body->length())) return done(std::move(body));
  note_length(meta, body->length());
  const auto correct = [mailbox, uid = meta.uid, done, body = std::move(body)] {
    mailbox->replica.messages().take_exact_size(uid, body->length(), [done, body] { done(body); });
  };
  if (may_wait || !dependencies_.helper.try_post(correct)) correct();
}

/// That the size was right is kept only of a message whose length has to be measured (BodyFetcher): a transaction for
/// each message that tar reads would cost more than the rest of it.
bool Bodies::is_no_news(const MessageMeta& meta, std::uint64_t length) const {
  return meta.size == length && (meta.size_is_exact || length <= settings_.whole_fetch_limit);
}

/// The server has no such message any more, though we have: nobody told us.
void Bodies::message_is_gone(const MailboxPointer& mailbox, Uid uid) {
  if (mailbox->replica.table()->find(uid)) return dependencies_.syncs.hint(mailbox);
  mailbox->replica.take_vanished(UidSet::single(uid));
  mailbox->replica.news().publish();
}

void Bodies::note_length(const MessageMeta& told, std::uint64_t length) {
  if (told.size_is_exact || told.size == 0 || told.size == length || sizes_are_wrong_.exchange(true)) return;
  telemetry::info("sizes are not trusted any more: the server told {} bytes of a message that has {}", told.size,
                  length);
}

void Bodies::take_length(MailboxId id, Uid uid, std::uint64_t length) {
  const auto mailbox = dependencies_.mailboxes.find(id);
  if (!mailbox) return;
  if (const auto told = mailbox->replica.messages().find(uid)) note_length(*told, length);
  mailbox->replica.messages().take_exact_size(uid, length, {});
}

}  // namespace imapfs::sync
