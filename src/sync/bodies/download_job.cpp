// What a transfer does on the pool's thread: choose the command, take its octets, tell who waits for them.

#include <algorithm>
#include <functional>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/bodies/cached_body.hpp"
#include "sync/bodies/download.hpp"
#include "sync/bodies/streamed_body.hpp"

namespace imapfs::sync {
namespace {

constexpr std::uint64_t head_length = 256 << 10;
/// How far beyond RFC822.SIZE a body may reach and still be measured by a probe.
constexpr std::uint64_t tail_length = 64 << 10;

}  // namespace

Result<void> select_for_reading(const BodyFetcher::Request& wanted, imap::Session& session,
                                const CallContext& context) {
  if (wanted.is_current && !wanted.is_current()) {
    return fail(ESTALE, Scope::mailbox, Retry::never, "the mailbox has another UIDVALIDITY now");
  }
  // A session may still have a mailbox open that was removed since, and made anew under the same name (RFC 2180 §3.1).
  const auto told = session.selection().uid_validity.value_or(wanted.key.uid_validity);
  if (session.selected() == wanted.wire_name && told == wanted.key.uid_validity) return {};
  imap::Session::SelectRequest request;
  request.mailbox = wanted.wire_name;
  const auto selected = IMAPFS_TRY(session.select(request, context));
  const auto validity = selected.uid_validity.value_or(wanted.key.uid_validity);
  // Scope session: with this mailbox selected, the connection would not be asked again.
  if (validity != wanted.key.uid_validity) {
    return fail(ESTALE, Scope::session, Retry::never, "the mailbox has UIDVALIDITY {} now", validity.value);
  }
  return {};
}

/// Takes the octets of one literal to their place. A literal whose length is not acceptable is read and dropped: giving
/// up in the middle would cost the connection.
class Download::Sink : public imap::BodySink {
 public:
  using Accept = std::function<bool(std::uint64_t length)>;

  Sink(Download& transfer, std::uint64_t offset, Accept accept)
      : transfer_(transfer), position_(offset), accept_(std::move(accept)) {}

  Result<void> begin(std::uint64_t length) override {
    if (begun_) return fail(EIO, Scope::session, Retry::never, "the server sent a body twice");
    begun_ = true;
    announced_ = left_ = length;
    accepted_ = accept_(length);
    if (accepted_) transfer_.expect(length);
    return {};
  }

  Result<void> data(std::span<const char> bytes) override {
    if (bytes.size() > left_) return fail(EIO, Scope::session, Retry::never, "more octets than announced");
    left_ -= bytes.size();
    if (accepted_) IMAPFS_TRY(transfer_.store(position_, bytes));
    position_ += bytes.size();
    return {};
  }

  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] std::uint64_t announced() const { return announced_; }
  /// EIO unless a literal came and was complete.
  [[nodiscard]] Result<void> check() const {
    if (!begun_) return fail(EIO, Scope::message, Retry::never, "the server sent no body");
    if (left_ > 0) return fail(EIO, Scope::session, Retry::now, "{} octets of the body are missing", left_);
    return {};
  }

 private:
  Download& transfer_;
  std::uint64_t position_;
  const Accept accept_;
  bool begun_ = false;
  bool accepted_ = false;
  std::uint64_t announced_ = 0;
  std::uint64_t left_ = 0;
};

Result<void> Download::run(imap::Session& session, const CallContext& context) {
  const auto activity = fmt::format("fetch message {} of {}", request_.key.uid.value,
                                    telemetry::printable(request_.key.mailbox));
  IMAPFS_TRY_WHILE(activity, select_for_reading(request_, session, context));
  IMAPFS_TRY_WHILE(activity, create_writer());
  IMAPFS_TRY_WHILE(activity, fetch(session, context));
  commit_if_whole();
  return {};
}

/// Before the command, so that a full disk does not cost the connection.
Result<void> Download::create_writer() {
  {
    const Lock lock(mutex_);
    if (writer_) return {};
  }
  std::shared_ptr<store::BodyWriter> writer = IMAPFS_TRY(host_->cache().create(request_.key, request_.size));
  const Lock lock(mutex_);
  writer_ = std::move(writer);
  return {};
}

Result<void> Download::fetch(imap::Session& session, const CallContext& context) {
  const bool partial = request_.partial_allowed && !session.traits().has(imap::Quirk::no_partial);
  Lock lock(mutex_);
  if (!length_) {
    lock.unlock();
    return fetch_first(session, partial, context);
  }
  if (by_ranges_ && partial) {
    const auto range = next_range();
    lock.unlock();
    return range ? fetch_range(session, *range, context) : Result<void>{};
  }
  // The connection broke before, or the message was given up and is wanted again.
  const auto gap = present_.first_gap({0, *length_});
  const ByteSpan rest{gap ? gap->begin : *length_, *length_};
  lock.unlock();
  if (!gap && *length_ > 0) return {};
  return partial && rest.begin > 0 ? fetch_rest(session, rest, context) : fetch_whole(session, context);
}

Result<void> Download::fetch_first(imap::Session& session, bool partial, const CallContext& context) {
  if (!partial || request_.size <= host_->settings().whole_fetch_limit || request_.size == 0) {
    return fetch_whole(session, context);
  }
  {
    const Lock lock(mutex_);
    by_ranges_ = true;
  }
  IMAPFS_TRY(request_.size_is_exact ? fetch_head(session, context) : fetch_head_and_tail(session, context));
  if (known_length()) return {};
  telemetry::info("message {} of {}: its size is far from {}, fetching it whole", request_.key.uid.value,
                  telemetry::printable(request_.key.mailbox), request_.size);
  {
    const Lock lock(mutex_);
    by_ranges_ = false;
    present_.clear();
  }
  return fetch_whole(session, context);
}

Result<void> Download::fetch_head(imap::Session& session, const CallContext& context) {
  const imap::OctetRange head{0, std::min(head_length, request_.size)};
  Sink sink(*this, 0, [&](std::uint64_t length) {
    if (length != head.length) return false;
    publish_length(request_.size);
    return true;
  });
  IMAPFS_TRY(session.fetch_body(request_.key.uid, head, sink, context));
  return sink.check();
}

/// RFC822.SIZE is a hint. The octets of the head may be read before it is proved (can_answer): Dovecot looks through
/// the whole message for its end. The octet at size-1 and what follows it tell the true length: one octet proves the
/// size, more of them say by how much it was too small, none that it was too large.
Result<void> Download::fetch_head_and_tail(imap::Session& session, const CallContext& context) {
  const auto head = std::min(head_length, request_.size);
  const imap::OctetRange tail{request_.size - 1, tail_length};
  Sink head_sink(*this, 0, [&](std::uint64_t length) { return length == head; });
  Sink tail_sink(*this, tail.offset, [&](std::uint64_t length) {
    if (!head_sink.accepted() || length == 0 || length >= tail_length) return false;
    publish_measured_length(tail.offset + length);
    return true;
  });
  IMAPFS_TRY(session.fetch_head_and_tail(request_.key.uid, head, tail, head_sink, tail_sink, context));
  return head_sink.check();
}

Result<void> Download::fetch_whole(imap::Session& session, const CallContext& context) {
  Sink sink(*this, 0, [&](std::uint64_t length) {
    const auto known = known_length();
    if (known) return *known == length;
    if (length < given_early()) return false;
    if (may_be_published(length)) publish_length(length);
    return true;
  });
  IMAPFS_TRY(session.fetch_body(request_.key.uid, std::nullopt, sink, context));
  IMAPFS_TRY(sink.check());
  if (!sink.accepted()) return break_off(sink.announced());
  if (!known_length()) publish_length(sink.announced());
  return {};
}

/// A literal may lie about its length, which is known at its end. Until then nothing is corrected by it, unless it is
/// so long that readers could not wait.
bool Download::may_be_published(std::uint64_t length) const {
  return length == request_.size || length > host_->settings().whole_fetch_limit;
}

Result<void> Download::fetch_rest(imap::Session& session, ByteSpan rest, const CallContext& context) {
  Sink sink(*this, rest.begin, [&](std::uint64_t length) { return length == rest.length(); });
  const imap::OctetRange range{rest.begin, rest.length()};
  IMAPFS_TRY(session.fetch_body(request_.key.uid, range, sink, context));
  IMAPFS_TRY(sink.check());
  return sink.accepted() ? Result<void>{} : fetch_whole(session, context);
}

Result<void> Download::fetch_range(imap::Session& session, ByteSpan range, const CallContext& context) {
  Sink sink(*this, range.begin, [&](std::uint64_t length) { return length == range.length(); });
  IMAPFS_TRY(session.fetch_body(request_.key.uid, imap::OctetRange{range.begin, range.length()}, sink, context));
  IMAPFS_TRY(sink.check());
  if (sink.accepted()) return {};
  return fail(EIO, Scope::message, Retry::never, "{} octets at {} asked for, the server has {}", range.length(),
              range.begin, sink.announced());
}

/// A message is immutable; a server that says otherwise cannot be read further under the length, or with the octets,
/// that readers have got.
Result<void> Download::break_off(std::uint64_t length) {
  const Lock lock(mutex_);
  broken_ = Error{EIO, Scope::message, Retry::never,
                  fmt::format("the message had {} octets and has {} now", length_.value_or(given_early_), length)};
  ended_ = true;
  return fail(*broken_);
}

std::optional<std::uint64_t> Download::known_length() const {
  const Lock lock(mutex_);
  return length_;
}

std::uint64_t Download::given_early() const {
  const Lock lock(mutex_);
  return given_early_;
}

/// That the told size was right is worth knowing too, where it has cost a probe.
void Download::publish_measured_length(std::uint64_t length) {
  if (length == request_.size) host_->exact_size(request_, length);
  publish_length(length);
}

void Download::publish_length(std::uint64_t length) {
  // Before anybody can see the length, so that the size is corrected before its last octet is read.
  if (length != request_.size) host_->exact_size(request_, length);
  Lock lock(mutex_);
  published_length_ = length;
  proved_ = true;
  length_ = length;
  whole_ = present_.covers({0, length});
  answer(std::move(lock));
}

void Download::expect(std::uint64_t octets) {
  Lock lock(mutex_);
  expected_ += octets;
  abandon_if_unwanted(std::move(lock));
}

Result<void> Download::store(std::uint64_t offset, std::span<const char> bytes) {
  const ByteSpan span{offset, offset + bytes.size()};
  Lock lock(mutex_);
  const bool known = present_.covers(span);
  const auto writer = writer_;
  lock.unlock();
  if (!known) IMAPFS_TRY(writer->write_at(offset, bytes));

  lock.lock();
  present_.add(span);
  expected_ -= std::min<std::uint64_t>(expected_, bytes.size());
  whole_ = length_ && present_.covers({0, *length_});
  answer(std::move(lock));
  return {};
}

Result<void> Download::begin_carried(std::uint64_t length) {
  IMAPFS_TRY(create_writer());
  {
    const Lock lock(mutex_);
    // Nobody would ever find it.
    if (!writer_->cached() && openers_.empty())
      return fail(ENOSPC, Scope::message, Retry::later, "the disk takes no bodies");
  }
  if (may_be_published(length)) publish_length(length);
  return {};
}

void Download::end_carried(std::uint64_t length) {
  if (!known_length()) publish_length(length);
  commit_if_whole();
  detach();
}

void Download::complete_with(std::span<const char> bytes) {
  const auto file = host_->cache().open(request_.key);
  if (!file) {
    if (begin_carried(bytes.size()) && take_carried(0, bytes)) return end_carried(bytes.size());
    return detach();
  }
  Lock lock(mutex_);
  running_ = false;
  ended_ = true;
  const auto openers = std::exchange(openers_, {});
  lock.unlock();
  for (const auto& opener : openers) opener.done(std::make_shared<CachedBody>(file));
}

void Download::commit_if_whole() {
  Lock lock(mutex_);
  if (!whole_ || committed_) return;
  committed_ = true;
  const auto writer = writer_;
  const auto length = *length_;
  lock.unlock();
  writer->commit(length);
}

}  // namespace imapfs::sync
