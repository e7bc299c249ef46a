// Header fields of single messages: from memory, from the body where it is cached, from the server, or, where that
// cannot be reached, from the index. Backup tools read every attribute of every file, so what costs a round trip is the
// last but one.

#include <unistd.h>

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t details_limit = 1024;
/// A header that is longer is asked of the server, which sends the fields only.
constexpr std::size_t longest_header = 64 << 10;

/// Of fields that a listing stored as they stand in the mail.
MessageHeaders decode_headers(const MessageHeaders& stored) {
  return {mime::decode_addresses(stored.from), mime::decode_text(stored.subject), mime::decode_text(stored.date),
          mime::decode_text(stored.message_id)};
}

MessageDetails details_of(std::string_view as_sent) {
  MessageDetails details;
  std::string readable;
  const auto header_block = mime::header_in_utf8(as_sent, readable);
  details.headers = mime::decode_listing_headers(header_block);
  if (const auto to = mime::find_field(header_block, "To")) details.to = mime::decode_addresses(*to);
  return details;
}

/// The header of a body that is on disk; nothing if it cannot be read or does not end within reach.
std::optional<std::string> header_block_of(const store::BodyFile& body) {
  std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(body.length(), longest_header)), '\0');
  const auto got = ::pread(body.descriptor(), block.data(), block.size(), static_cast<off_t>(body.offset()));
  if (got != static_cast<ssize_t>(block.size())) return std::nullopt;
  const auto end = block.find("\r\n\r\n");
  if (end == std::string::npos && block.size() < body.length()) return std::nullopt;
  if (end != std::string::npos) block.resize(end + 4);
  return block;
}

}  // namespace

void EngineImplementation::details(MailboxId id, Uid uid, Completion<MessageDetails> done) {
  const auto mailbox = use_mailbox(id);
  if (!mailbox) return done(fail(no_such_mailbox()));
  const DetailsKey key{id, mailbox->replica.table()->uid_validity(), uid};
  auto known = details_.with_lock([&](const auto& all) -> std::optional<MessageDetails> {
    const auto found = all.find(key);
    if (found == all.end()) return std::nullopt;
    return found->second;
  });
  if (known) return done(std::move(*known));
  // Reading the disk is not for the caller's thread; where there is no room on ours, the server is asked.
  const bool posted = bodies_ && helper_ &&
                      helper_->try_post([this, mailbox, uid, done] { cached_details(mailbox, uid, done); });
  if (!posted) fetch_details(mailbox, uid, done);
}

void EngineImplementation::keep_details(const MailboxPointer& mailbox, Uid uid, const MessageDetails& fresh) {
  // Here and not before: the question may have been the first to learn UIDVALIDITY.
  const DetailsKey key{mailbox->replica.identity().id, mailbox->replica.table()->uid_validity(), uid};
  details_.with_lock([&](auto& all) {
    if (all.size() >= details_limit) all.clear();
    all[key] = fresh;
  });
}

void EngineImplementation::cached_details(const MailboxPointer& mailbox, Uid uid,
                                          const Completion<MessageDetails>& done) {
  const auto body = bodies_->open({mailbox->replica.identity().name, mailbox->replica.table()->uid_validity(), uid});
  const auto block = body ? header_block_of(*body) : std::nullopt;
  if (!block) return fetch_details(mailbox, uid, done);
  auto fresh = details_of(*block);
  keep_details(mailbox, uid, fresh);
  done(std::move(fresh));
}

void EngineImplementation::fetch_details(const MailboxPointer& mailbox, Uid uid,
                                         const Completion<MessageDetails>& done) {
  auto block = std::make_shared<std::string>();
  imap::PoolJob job;
  job.mailbox = mailbox->replica.identity().wire_name;
  job.context = patience();
  job.what = fmt::format("fetch header fields of UID {}", uid.value);
  job.run = [this, mailbox, uid, block](imap::Session& session, const CallContext& context) -> Result<void> {
    IMAPFS_TRY(examine_and_follow(mailbox, session, context));
    *block = IMAPFS_TRY(session.fetch_header_fields(uid, {"FROM", "TO", "SUBJECT", "DATE", "MESSAGE-ID"}, context));
    return {};
  };
  job.done = [this, mailbox, uid, block, done](const Result<void>& result) {
    if (!result) return stored_details(mailbox, uid, result.error(), done);
    auto fresh = details_of(*block);
    keep_details(mailbox, uid, fresh);
    done(std::move(fresh));
  };
  submit(std::move(job));
}

void EngineImplementation::stored_details(const MailboxPointer& mailbox, Uid uid, const Error& cause,
                                          const Completion<MessageDetails>& done) {
  const auto answer = [mailbox, uid, cause, done](store::MetadataStore& metadata) {
    auto headers = metadata.headers(mailbox->replica.identity().name, uid);
    if (!headers || cause.scope == Scope::message) return done(fail(cause));
    done(MessageDetails{decode_headers(*headers), {}});
  };
  if (!store_.try_post(answer)) done(fail(cause));
}

}  // namespace imapfs::sync
