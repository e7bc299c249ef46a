#include "sync/bodies/download_job.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "imapfs/base/telemetry.hpp"
#include "sync/bodies/select_for_reading.hpp"

namespace imapfs::sync {
namespace {

constexpr std::uint64_t head_length = 256 << 10;
/// How far beyond RFC822.SIZE a body may reach and still be measured by a probe.
constexpr std::uint64_t tail_length = 64 << 10;
/// The slowest line on which a body must still be readable, in bytes per second.
constexpr std::uint64_t slowest_download = 64 << 10;
constexpr std::uint64_t assumed_size = 16 << 20;  ///< where the server tells none
/// After so much a reader's turn on the connection ends, for others who wait.
constexpr std::uint64_t bytes_of_a_turn = 64 << 20;

}  // namespace

/// Takes the bytes of one literal to their place. A literal whose length is not acceptable is read and dropped: giving
/// up in the middle would cost the connection.
class DownloadJob::Sink : public imap::BodySink {
 public:
  using Accept = std::function<bool(std::uint64_t length)>;

  Sink(Download& download, std::uint64_t offset, Accept accept)
      : download_(download), position_(offset), accept_(std::move(accept)) {}

  Result<void> begin(std::uint64_t length) override {
    if (begun_) return fail(EIO, Scope::session, Retry::never, "the server sent a body twice");
    begun_ = true;
    announced_ = left_ = length;
    accepted_ = accept_(length);
    if (accepted_) download_.expect(length);
    return {};
  }

  Result<void> data(std::span<const char> bytes) override {
    if (bytes.size() > left_) return fail(EIO, Scope::session, Retry::never, "more bytes than announced");
    left_ -= bytes.size();
    if (accepted_) IMAPFS_TRY(download_.body().write(position_, bytes));
    position_ += bytes.size();
    return {};
  }

  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] std::uint64_t announced() const { return announced_; }
  /// EIO unless a literal came and was complete.
  [[nodiscard]] Result<void> check() const {
    if (!begun_) return fail(EIO, Scope::message, Retry::never, "the server sent no body");
    if (left_ > 0) return fail(EIO, Scope::session, Retry::now, "{} bytes of the body are missing", left_);
    return {};
  }

 private:
  Download& download_;
  std::uint64_t position_;
  const Accept accept_;
  bool begun_ = false;
  bool accepted_ = false;
  std::uint64_t announced_ = 0;
  std::uint64_t left_ = 0;
};

/// Ranges that readers want, one after the other.
class DownloadJob::Ranges final : public imap::BodyRangeSink {
 public:
  explicit Ranges(Download& download) : download_(download) {}

  std::optional<imap::OctetRange> next_range() override {
    if (wrong_ || turn_ >= bytes_of_a_turn) return std::nullopt;
    ByteRanges under_way;
    for (const auto& span : under_way_) under_way.add(span);
    const auto span = download_.next_range(under_way);
    if (!span) return std::nullopt;
    under_way_.push_back(*span);
    turn_ += span->length();
    return imap::OctetRange{span->begin, span->length()};
  }
  Result<void> begin(const imap::OctetRange& range, std::uint64_t length) override {
    position_ = range.offset;
    left_ = length;
    // Read and dropped where it makes no sense: giving up in the middle would cost the connection.
    if (length != range.length) {
      wrong_ = Error{EIO, Scope::message, Retry::never,
                     fmt::format("{} bytes at {} asked for, the server has {}", range.length, range.offset, length)};
    }
    if (!wrong_) download_.expect(length);
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    if (bytes.size() > left_) return fail(EIO, Scope::session, Retry::never, "more bytes than announced");
    left_ -= bytes.size();
    if (!wrong_) IMAPFS_TRY(download_.body().write(position_, bytes));
    position_ += bytes.size();
    return {};
  }
  void answered(const imap::OctetRange& range) override {
    std::erase(under_way_, ByteSpan::at(range.offset, range.length));
  }

  [[nodiscard]] Result<void> outcome() const {
    if (wrong_) return fail(Error(*wrong_));
    return {};
  }

 private:
  Download& download_;
  std::vector<ByteSpan> under_way_;
  std::uint64_t turn_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t left_ = 0;
  std::optional<Error> wrong_;
};

DownloadJob::DownloadJob(Download& download, const DownloadDependencies& dependencies,
                         const BodyFetcher::Request& request, imap::Session& session, const CallContext& context)
    : download_(download), body_(download.body()), dependencies_(dependencies), request_(request), session_(session),
      context_(context) {}

SteadyClock::duration DownloadJob::patience(const ReceivedBody& body, const BodyFetcher::Request& request,
                                            const BodyFetcher::Settings& settings) {
  const auto size = body.proved_length().value_or(request.size == 0 ? assumed_size : request.size);
  const auto bytes = body.by_ranges() ? std::min(size, ReadStream::largest_window) : size;
  return settings.timeout + std::chrono::seconds(bytes / slowest_download);
}

Result<void> DownloadJob::run() {
  const auto activity = fmt::format("fetch message {} of {}", request_.key.uid.value,
                                    telemetry::printable(request_.key.mailbox));
  IMAPFS_TRY_WHILE(activity, select_for_reading(request_, session_, context_));
  IMAPFS_TRY_WHILE(activity, body_.create_file());
  IMAPFS_TRY_WHILE(activity, fetch());
  body_.commit_if_whole();
  return {};
}

Result<void> DownloadJob::fetch() {
  const bool partial = request_.partial_allowed && !session_.traits().has(imap::Quirk::no_partial);
  const auto length = body_.proved_length();
  if (!length) return fetch_first(partial);
  if (body_.by_ranges() && partial) return fetch_ranges();
  // The connection broke before, or the message was given up and is wanted again.
  const auto gap = body_.first_gap({0, *length});
  const ByteSpan rest{gap ? gap->begin : *length, *length};
  if (!gap && *length > 0) return {};
  return partial && rest.begin > 0 ? fetch_rest(rest) : fetch_whole();
}

Result<void> DownloadJob::fetch_first(bool partial) {
  if (!partial || request_.size <= dependencies_.settings().whole_fetch_limit || request_.size == 0) {
    return fetch_whole();
  }
  body_.fetch_by_ranges();
  IMAPFS_TRY(request_.size_is_exact ? fetch_head() : fetch_head_and_tail());
  if (body_.proved_length()) return {};
  telemetry::info("message {} of {}: its size is far from {}, fetching it whole", request_.key.uid.value,
                  telemetry::printable(request_.key.mailbox), request_.size);
  body_.start_over();
  return fetch_whole();
}

Result<void> DownloadJob::fetch_head() {
  const imap::OctetRange head{0, std::min(head_length, request_.size)};
  Sink sink(download_, 0, [&](std::uint64_t length) {
    if (length != head.length) return false;
    body_.prove_length(request_.size);
    return true;
  });
  IMAPFS_TRY(session_.fetch_body(request_.key.uid, head, sink, context_));
  return sink.check();
}

/// RFC822.SIZE is a hint. The bytes of the head may be read before it is proved: Dovecot looks through the whole
/// message for its end. The byte at size-1 and what follows it tell the true length: one byte proves the size, more of
/// them say by how much it was too small, none that it was too large. That the told size was right is worth knowing
/// too, since it has cost a probe.
Result<void> DownloadJob::fetch_head_and_tail() {
  const auto head = std::min(head_length, request_.size);
  const imap::OctetRange tail{request_.size - 1, tail_length};
  Sink head_sink(download_, 0, [&](std::uint64_t length) { return length == head; });
  Sink tail_sink(download_, tail.offset, [&](std::uint64_t length) {
    if (!head_sink.accepted() || length == 0 || length >= tail_length) return false;
    const auto measured = tail.offset + length;
    if (measured == request_.size) dependencies_.exact_size(request_, measured);
    body_.prove_length(measured);
    return true;
  });
  IMAPFS_TRY(session_.fetch_head_and_tail(request_.key.uid, head, tail, head_sink, tail_sink, context_));
  return head_sink.check();
}

Result<void> DownloadJob::fetch_whole() {
  Sink sink(download_, 0, [&](std::uint64_t length) {
    if (const auto known = body_.proved_length()) return *known == length;
    if (length < body_.given_early()) return false;
    body_.prove_if_credible(length);
    return true;
  });
  IMAPFS_TRY(session_.fetch_body(request_.key.uid, std::nullopt, sink, context_));
  IMAPFS_TRY(sink.check());
  if (!sink.accepted()) return fail(download_.break_off(sink.announced()));
  if (!body_.proved_length()) body_.prove_length(sink.announced());
  return {};
}

Result<void> DownloadJob::fetch_rest(ByteSpan rest) {
  Sink sink(download_, rest.begin, [&](std::uint64_t length) { return length == rest.length(); });
  const imap::OctetRange range{rest.begin, rest.length()};
  IMAPFS_TRY(session_.fetch_body(request_.key.uid, range, sink, context_));
  IMAPFS_TRY(sink.check());
  return sink.accepted() ? Result<void>{} : fetch_whole();
}

Result<void> DownloadJob::fetch_ranges() {
  Ranges ranges(download_);
  const auto& settings = dependencies_.settings();
  // The bytes of a turn take their time; the session looks out for silence.
  const auto patience = settings.timeout + std::chrono::seconds(bytes_of_a_turn / slowest_download);
  const CallContext turn{context_.stop, SteadyClock::now() + patience};
  IMAPFS_TRY(session_.fetch_ranges(request_.key.uid, ranges, settings.timeout, turn));
  return ranges.outcome();
}

}  // namespace imapfs::sync
