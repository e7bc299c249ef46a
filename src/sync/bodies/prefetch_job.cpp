#include "sync/bodies/prefetch_job.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/bodies/select_for_reading.hpp"

namespace imapfs::sync {
namespace {

/// A silent server is given up after this share of the readers' patience, so that they can still ask elsewhere.
constexpr int share_of_patience = 3;
/// A body up to this size is complete before a reader of its beginning could have asked for it.
constexpr std::uint64_t largest_small = 256 << 10;

}  // namespace

PrefetchJob::PrefetchJob(std::shared_ptr<DownloadDependencies> dependencies, std::shared_ptr<Downloads> downloads,
                         BodyFetcher::Request mailbox, std::shared_ptr<BodyFetcher::SetSource> source)
    : dependencies_(std::move(dependencies)), downloads_(std::move(downloads)), mailbox_(std::move(mailbox)),
      source_(std::move(source)) {}

// -- who waits --

bool PrefetchJob::brings(const store::BodyKey& key) const {
  const bool same_mailbox = key.mailbox == mailbox_.key.mailbox && key.uid_validity == mailbox_.key.uid_validity;
  return same_mailbox && expected_.contains(key.uid);
}

bool PrefetchJob::wait_for_prefetch(const store::BodyKey& key, const std::shared_ptr<Download>& download) {
  if (!brings(key) || !download->attach_to_prefetch()) return false;
  if (expected_.wait(key.uid, download, dependencies_->settings().overtake_beyond)) return true;
  download->detach();
  return false;
}

// -- the job --

bool PrefetchJob::prepare() {
  prepared_ = take_next();
  return !prepared_.empty();
}

void PrefetchJob::submit(OnEnd on_end) {
  imap::PoolJob job;
  job.mailbox = mailbox_.wire_name;
  // Interactive, because somebody waits for the first message. No deadline: the session ends it after a silence.
  job.priority = imap::Priority::interactive;
  job.context = CallContext{stop_.get_token()};
  job.goes_on = true;
  job.what = fmt::format("fetch ahead in {}", telemetry::printable(mailbox_.key.mailbox, 60));
  job.run = [self = shared_from_this()](imap::Session& session, const CallContext& context) {
    return self->run(session, context);
  };
  job.done = [self = shared_from_this(), on_end = std::move(on_end)](const Result<void>& result) {
    self->finished(result, on_end);
  };
  dependencies_->submit(std::move(job));
}

Result<void> PrefetchJob::run(imap::Session& session, const CallContext& context) {
  drop_large();
  // If it has run before, the connection was lost.
  if (std::exchange(has_run_, true)) prepared_ = expected_.ask_again();
  const auto timeout = dependencies_->settings().timeout;
  const auto activity = fmt::format("fetch ahead in {}", telemetry::printable(mailbox_.key.mailbox));
  IMAPFS_TRY_WHILE(activity, select_for_reading(mailbox_, session, CallContext::within(timeout, context.stop)));
  IMAPFS_TRY_WHILE(activity, session.fetch_bodies(*this, timeout / share_of_patience, context));
  return {};
}

void PrefetchJob::finished(const Result<void>& result, const OnEnd& on_end) {
  drop_large();
  const auto waiting = expected_.end();
  if (!result) telemetry::debug("bodies are not fetched ahead: {}", telemetry::printable(result.error().what));
  for (const auto& download : waiting) download->detach();
  source_->ended(result);
  on_end(shared_from_this());
}

// -- what comes --

UidSet PrefetchJob::next_set() {
  if (!prepared_.empty()) return std::exchange(prepared_, {});
  if (stop_.stop_requested() || (mailbox_.is_current && !mailbox_.is_current())) return {};
  return take_next();
}

UidSet PrefetchJob::take_next() {
  const auto messages = source_->next_set();
  if (messages.empty()) return {};
  ++telemetry::counters().body_sets_fetched;
  return expected_.add(messages);
}

/// Those who wait for messages that did not come fetch them singly.
void PrefetchJob::answered(std::size_t number) {
  for (const auto& download : expected_.answered(number)) download->detach();
}

BodyFetcher::Request PrefetchJob::request_of(Uid uid, std::uint64_t size) const {
  auto request = mailbox_;
  request.key.uid = uid;
  request.size = size;
  request.size_is_exact = false;
  return request;
}

Result<void> PrefetchJob::begin(Uid uid, std::uint64_t length) {
  drop_large();
  arriving_ = Arriving::nothing;
  const auto begun = expected_.begin(uid);
  if (!begun) return {};
  arriving_uid_ = uid;
  const auto key = request_of(uid, begun->size).key;
  // Somebody has fetched it on another connection.
  if (!begun->waited_for && dependencies_->cache().contains(key)) {
    if (const auto late = expected_.take(uid)) late->detach();
    return {};
  }
  if (length <= largest_small) {
    begin_small(length, begun->size);
  } else {
    begin_large(uid, length, begun->size);
  }
  return {};
}

Result<void> PrefetchJob::data(std::span<const char> bytes) {
  if (arriving_ == Arriving::small) {
    small_.insert(small_.end(), bytes.begin(), bytes.end());
  } else if (large_) {
    const auto offset = std::exchange(large_offset_, large_offset_ + bytes.size());
    if (!large_->body().write(offset, bytes)) drop_large();
  }
  return {};
}

Result<void> PrefetchJob::end() {
  if (arriving_ == Arriving::small) {
    end_small();
  } else if (large_) {
    ++telemetry::counters().bodies_fetched_ahead;
    std::exchange(large_, nullptr)->end_prefetched(large_offset_);
  }
  arriving_ = Arriving::nothing;
  return {};
}

void PrefetchJob::begin_small(std::uint64_t length, std::uint64_t size) {
  arriving_ = Arriving::small;
  told_size_ = size;
  small_.clear();
  small_.reserve(static_cast<std::size_t>(length));
}

/// The message stays expected until it is in the cache: whoever opens it before that waits here.
void PrefetchJob::end_small() {
  ++telemetry::counters().bodies_fetched_ahead;
  const auto request = request_of(arriving_uid_, told_size_);
  // Before anybody can read the body.
  if (small_.size() != told_size_) dependencies_->exact_size(request, small_.size());
  (void)dependencies_->cache().store(request.key, small_);
  if (const auto waiting = expected_.take(arriving_uid_)) waiting->complete_with(small_);
}

void PrefetchJob::begin_large(Uid uid, std::uint64_t length, std::uint64_t size) {
  arriving_ = Arriving::large;
  large_ = expected_.take(uid);
  large_offset_ = 0;
  if (!large_) {
    auto request = request_of(uid, size);
    const auto key = request.key;
    auto download = downloads_->insert(key, std::make_shared<Download>(dependencies_, std::move(request)));
    if (!download->attach_to_prefetch()) return;
    large_ = std::move(download);
  }
  if (!large_->begin_prefetched(length)) drop_large();
}

void PrefetchJob::drop_large() {
  if (large_) std::exchange(large_, nullptr)->detach();
}

}  // namespace imapfs::sync
