#include "sync/bodies/prefetch_job.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

/// After so much of its patience a silent server is given up, so that those who wait can still ask elsewhere.
constexpr int share_of_patience = 3;
/// A body up to this is whole before a reader of its beginning could have asked for it.
constexpr std::uint64_t largest_small = 256 << 10;

}  // namespace

PrefetchJob::PrefetchJob(std::shared_ptr<DownloadDependencies> host, std::shared_ptr<Downloads> transfers,
                         BodyFetcher::Request mailbox, std::shared_ptr<BodyFetcher::SetSource> source)
    : host_(std::move(host)), transfers_(std::move(transfers)), mailbox_(std::move(mailbox)),
      source_(std::move(source)) {}

// -- who waits --

bool PrefetchJob::is_ours(const store::BodyKey& key) const {
  return key.mailbox == mailbox_.key.mailbox && key.uid_validity == mailbox_.key.uid_validity;
}

bool PrefetchJob::brings(const store::BodyKey& key) const {
  if (!is_ours(key)) return false;
  const std::lock_guard guard(mutex_);
  return expected_.contains(key.uid);
}

bool PrefetchJob::claim(const store::BodyKey& key, const std::shared_ptr<Download>& transfer) {
  if (!brings(key) || !transfer->carry()) return false;
  {
    const std::lock_guard guard(mutex_);
    const auto found = expected_.find(key.uid);
    const bool soon = found != expected_.end() && !found->second.waiting &&
                      found->second.position <= arrived_octets_ + host_->settings().overtake_beyond;
    if (soon && !ended_) {
      found->second.waiting = transfer;
      return true;
    }
  }
  transfer->detach();
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
  // Somebody waits for the first message. The deadline is the session's: silence.
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
  host_->submit(std::move(job));
}

Result<void> PrefetchJob::run(imap::Session& session, const CallContext& context) {
  drop_large();
  if (std::exchange(has_run_, true)) {
    // The connection was lost: what has not come is asked for again, in one set.
    std::vector<Uid> missing;
    const std::lock_guard guard(mutex_);
    first_set_ = sets_ + 1;
    if (!expected_.empty()) ++sets_;
    for (auto& [uid, message] : expected_) {
      message.set = first_set_;
      missing.push_back(uid);
    }
    prepared_ = UidSet::of(std::move(missing));
  }
  const auto timeout = host_->settings().timeout;
  const auto activity = fmt::format("fetch ahead in {}", telemetry::printable(mailbox_.key.mailbox));
  IMAPFS_TRY_WHILE(activity, select_for_reading(mailbox_, session, CallContext::within(timeout, context.stop)));
  IMAPFS_TRY_WHILE(activity, session.fetch_bodies(*this, timeout / share_of_patience, context));
  return {};
}

void PrefetchJob::finished(const Result<void>& result, const OnEnd& on_end) {
  drop_large();
  AllExpected missing;
  {
    const std::lock_guard guard(mutex_);
    ended_ = true;
    missing = std::exchange(expected_, {});
  }
  if (!result) telemetry::debug("bodies are not fetched ahead: {}", telemetry::printable(result.error().what));
  for (const auto& [uid, message] : missing) {
    if (message.waiting) message.waiting->detach();
  }
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
  std::vector<Uid> uids;
  const std::lock_guard guard(mutex_);
  for (const auto& message : messages) {
    if (!expected_.try_emplace(message.uid, Expected{message.size, asked_octets_, sets_ + 1, nullptr}).second) continue;
    uids.push_back(message.uid);
    asked_octets_ += message.size;
  }
  // answered() counts what was asked for.
  if (!uids.empty()) ++sets_;
  return UidSet::of(std::move(uids));
}

/// What did not come is fetched by itself by those who wait for it.
void PrefetchJob::answered(std::size_t number) {
  std::vector<std::shared_ptr<Download>> waiting;
  {
    const std::lock_guard guard(mutex_);
    std::erase_if(expected_, [&](auto& entry) {
      if (entry.second.set != first_set_ + number) return false;
      if (entry.second.waiting) waiting.push_back(std::move(entry.second.waiting));
      return true;
    });
  }
  for (const auto& transfer : waiting) transfer->detach();
}

store::BodyKey PrefetchJob::key_of(Uid uid) const { return {mailbox_.key.mailbox, mailbox_.key.uid_validity, uid}; }

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
  std::uint64_t size = 0;
  bool waited_for = false;
  {
    const std::lock_guard guard(mutex_);
    const auto found = expected_.find(uid);
    if (found == expected_.end()) return {};
    const auto& message = found->second;
    size = message.size;
    waited_for = message.waiting != nullptr;
    arrived_octets_ = std::max(arrived_octets_, message.position);
  }
  arriving_uid_ = uid;
  // Somebody has overtaken.
  if (!waited_for && host_->cache().contains(key_of(uid))) {
    if (const auto late = take_waiting(uid)) late->detach();
    return {};
  }
  if (length <= largest_small) {
    begin_small(length, size);
  } else {
    begin_large(uid, length, size);
  }
  return {};
}

Result<void> PrefetchJob::data(std::span<const char> bytes) {
  if (arriving_ == Arriving::small) {
    small_.insert(small_.end(), bytes.begin(), bytes.end());
  } else if (large_) {
    const auto offset = std::exchange(large_offset_, large_offset_ + bytes.size());
    if (!large_->take_carried(offset, bytes)) drop_large();
  }
  return {};
}

Result<void> PrefetchJob::end() {
  if (arriving_ == Arriving::small) {
    end_small();
  } else if (large_) {
    ++telemetry::counters().bodies_fetched_ahead;
    std::exchange(large_, nullptr)->end_carried(large_offset_);
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

/// The message is expected until it is in the cache: whoever opens it meanwhile waits here.
void PrefetchJob::end_small() {
  ++telemetry::counters().bodies_fetched_ahead;
  // Before anybody can read it.
  if (small_.size() != told_size_) host_->exact_size(request_of(arriving_uid_, told_size_), small_.size());
  (void)host_->cache().store(key_of(arriving_uid_), small_);
  if (const auto waiting = take_waiting(arriving_uid_)) waiting->complete_with(small_);
}

void PrefetchJob::begin_large(Uid uid, std::uint64_t length, std::uint64_t size) {
  arriving_ = Arriving::large;
  large_ = take_waiting(uid);
  large_offset_ = 0;
  if (!large_) {
    auto request = request_of(uid, size);
    const auto key = request.key;
    auto transfer = transfers_->insert(key, std::make_shared<Download>(host_, std::move(request)));
    if (!transfer->carry()) return;
    large_ = std::move(transfer);
  }
  if (!large_->begin_carried(length)) drop_large();
}

std::shared_ptr<Download> PrefetchJob::take_waiting(Uid uid) {
  const std::lock_guard guard(mutex_);
  auto found = expected_.extract(uid);
  return found.empty() ? nullptr : std::move(found.mapped().waiting);
}

void PrefetchJob::drop_large() {
  if (large_) std::exchange(large_, nullptr)->detach();
}

}  // namespace imapfs::sync
