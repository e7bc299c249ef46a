#include "sync/mailbox/details_reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/mime/header_decode.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_details = 1024;
/// For a longer header the server is asked, which sends only the fields.
constexpr std::size_t longest_header = 64 << 10;

/// Decodes fields that a listing stored raw.
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

/// The header of a cached body. Nothing if it cannot be read, or does not end within longest_header.
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

DetailsReader::Key DetailsReader::key_of(const MailboxPointer& mailbox, Uid uid) {
  return {mailbox->replica.identity().id, mailbox->replica.table()->uid_validity(), uid};
}

void DetailsReader::read(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done) {
  const auto key = key_of(mailbox, uid);
  auto known = known_.with_lock([&](const auto& all) -> std::optional<MessageDetails> {
    const auto found = all.find(key);
    if (found == all.end()) return std::nullopt;
    return found->second;
  });
  if (known) return done(std::move(*known));
  // The caller's thread must not read the disk. If the queue of "sync" is full, the server is asked.
  const bool posted = dependencies_.helper.try_post([this, mailbox, uid, done] { read_body(mailbox, uid, done); });
  if (!posted) fetch(mailbox, uid, done);
}

void DetailsReader::keep(const MailboxPointer& mailbox, Uid uid, const MessageDetails& details) {
  // Make the key only now: the fetch may have been the first to learn UIDVALIDITY.
  const auto key = key_of(mailbox, uid);
  known_.with_lock([&](auto& all) {
    if (all.size() >= most_details) all.clear();
    all[key] = details;
  });
}

void DetailsReader::read_body(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done) {
  const auto body = dependencies_.bodies.open(
      {mailbox->replica.identity().name, mailbox->replica.table()->uid_validity(), uid});
  const auto block = body ? header_block_of(*body) : std::nullopt;
  if (!block) return fetch(mailbox, uid, done);
  auto details = details_of(*block);
  keep(mailbox, uid, details);
  done(std::move(details));
}

void DetailsReader::fetch(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done) {
  dependencies_.server.ask<std::string>(
      {.what = fmt::format("fetch header fields of UID {}", uid.value),
       .mailbox = mailbox->replica.identity().wire_name},
      [this, mailbox, uid](imap::Session& session, const CallContext& context) -> Result<std::string> {
        IMAPFS_TRY(dependencies_.syncs.examine(mailbox, session, context));
        return session.fetch_header_fields(uid, {"FROM", "TO", "SUBJECT", "DATE", "MESSAGE-ID"}, context);
      },
      [this, mailbox, uid, done](const Result<std::string>& block) {
        if (!block) return read_index(mailbox, uid, block.error(), done);
        auto details = details_of(*block);
        keep(mailbox, uid, details);
        done(std::move(details));
      });
}

void DetailsReader::read_index(const MailboxPointer& mailbox, Uid uid, const Error& cause,
                               const Completion<MessageDetails>& done) {
  const auto answer = [mailbox, uid, cause, done](store::MetadataStore& metadata) {
    auto headers = metadata.headers(mailbox->replica.identity().name, uid);
    if (!headers || cause.scope == Scope::message) return done(fail(cause));
    done(MessageDetails{decode_headers(*headers), {}});
  };
  if (!dependencies_.store.try_post(answer)) done(fail(cause));
}

}  // namespace imapfs::sync
