#include "sync/bodies/download.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "sync/bodies/cached_body.hpp"
#include "sync/bodies/download_job.hpp"
#include "sync/bodies/streamed_body.hpp"

namespace imapfs::sync {
namespace {

/// If more than this is still to come, a new connection is cheaper than the rest of an unwanted body.
constexpr std::uint64_t abandon_beyond = 1 << 20;

}  // namespace

Download::Download(std::shared_ptr<DownloadDependencies> dependencies, BodyFetcher::Request request)
    : dependencies_(std::move(dependencies)), request_(std::move(request)),
      body_(*dependencies_, request_, [this](std::uint64_t bytes) { arrived(bytes); }) {}

bool Download::join(OpenDone& done, ByteSpan wanted) {
  Lock lock(mutex_);
  if (ended_) return false;
  if (body_.proved_length() || body_.can_answer(wanted)) {
    lock.unlock();
    auto body = std::make_shared<StreamedBody>(shared_from_this());
    done(std::move(body));
    return true;
  }
  readers_.wait_to_open(std::move(done), wanted);
  if (state_ == State::idle) start_job(std::move(lock));
  return true;
}

void Download::stop() {
  Lock lock(mutex_);
  if (state_ == State::fetching) state_ = State::stopping;
  auto stop = stop_;
  lock.unlock();
  stop.request_stop();
}

// -- brought by a prefetch job --

bool Download::attach_to_prefetch() {
  const Lock lock(mutex_);
  if (state_ != State::idle || body_.proved_length() || ended_ || readers_.has_bodies()) return false;
  state_ = State::prefetching;
  return true;
}

void Download::detach() { finished({}); }

Result<void> Download::begin_prefetched(std::uint64_t length) {
  IMAPFS_TRY(body_.create_file());
  {
    const Lock lock(mutex_);
    // Nobody could ever find the body.
    if (!body_.on_disk() && !readers_.somebody_opens())
      return fail(ENOSPC, Scope::message, Retry::later, "the disk takes no bodies");
  }
  body_.prove_if_credible(length);
  return {};
}

void Download::end_prefetched(std::uint64_t length) {
  if (!body_.proved_length()) body_.prove_length(length);
  body_.commit_if_whole();
  detach();
}

void Download::complete_with(std::span<const char> bytes) {
  const auto file = dependencies_->cache().open(request_.key);
  if (!file) {
    if (begin_prefetched(bytes.size()) && body_.write(0, bytes)) return end_prefetched(bytes.size());
    return detach();
  }
  Lock lock(mutex_);
  state_ = State::idle;
  ended_ = true;
  const auto waiting = readers_.take_all();
  lock.unlock();
  for (const auto& done : waiting.opens) done(std::make_shared<CachedBody>(file));
}

// -- readers --

void Download::add_stream(ReadStream* stream) {
  const Lock lock(mutex_);
  readers_.add(stream);
}

void Download::remove_stream(ReadStream* stream) {
  Lock lock(mutex_);
  readers_.remove(stream);
  abandon_if_unwanted(std::move(lock));
}

void Download::abandon_if_unwanted(Lock lock) {
  const bool wanted = readers_.somebody_waits() || readers_.has_bodies();
  if (wanted || state_ != State::fetching || expected_ <= abandon_beyond) return;
  state_ = State::stopping;
  auto stop = stop_;
  lock.unlock();
  stop.request_stop();
}

void Download::read(ReadStream& stream, std::uint64_t offset, std::size_t length, Completion<BodySlice> done) {
  Lock lock(mutex_);
  const auto span = ByteSpan::at(offset, length).up_to(body_.proved_length().value_or(UINT64_MAX));
  stream.note(span.begin, span.length());
  if (auto slice = body_.slice(span)) {
    lock.unlock();
    done(std::move(*slice));
    return read_ahead();
  }
  if (broken_) {
    auto error = *broken_;
    lock.unlock();
    return done(fail(std::move(error)));
  }
  readers_.wait_to_read(span, stream, std::move(done));
  if (state_ == State::idle) start_job(std::move(lock));
}

void Download::read_ahead() {
  if (body_.whole()) return;
  Lock lock(mutex_);
  if (state_ == State::idle && !broken_ && readers_.next_range(body_, {})) start_job(std::move(lock));
}

/// Answers everyone who need not wait any longer.
void Download::arrived(std::uint64_t bytes) {
  Lock lock(mutex_);
  expected_ -= std::min(expected_, bytes);
  auto answered = readers_.take_answered(body_);
  lock.unlock();
  // Create all bodies first: one that is dropped at once must not end the download for the others.
  std::vector<std::shared_ptr<Body>> bodies;
  for (std::size_t i = 0; i < answered.opens.size(); ++i)
    bodies.push_back(std::make_shared<StreamedBody>(shared_from_this()));
  for (std::size_t i = 0; i < answered.opens.size(); ++i) answered.opens[i](std::move(bodies[i]));
  for (auto& [slice, done] : answered.reads) done(std::move(slice));
}

// -- its own job --

void Download::start_job(Lock lock) {
  state_ = State::fetching;
  expected_ = 0;
  stop_ = std::stop_source();
  imap::PoolJob job;
  job.mailbox = request_.wire_name;
  job.priority = imap::Priority::interactive;
  job.context = CallContext::within(DownloadJob::patience(body_, request_, dependencies_->settings()),
                                    stop_.get_token());
  job.what = fmt::format("fetch message {} of {}", request_.key.uid.value, request_.key.mailbox);
  job.run = [self = shared_from_this()](imap::Session& session, const CallContext& context) {
    return DownloadJob(*self, *self->dependencies_, self->request_, session, context).run();
  };
  job.done = [self = shared_from_this()](const Result<void>& result) { self->finished(result); };
  lock.unlock();
  dependencies_->submit(std::move(job));
}

std::optional<ByteSpan> Download::next_range(const ByteRanges& asked) const {
  const Lock lock(mutex_);
  return readers_.next_range(body_, asked);
}

void Download::expect(std::uint64_t bytes) {
  Lock lock(mutex_);
  expected_ += bytes;
  abandon_if_unwanted(std::move(lock));
}

Error Download::break_off(std::uint64_t length) {
  const Lock lock(mutex_);
  const auto before = body_.proved_length().value_or(body_.given_early());
  broken_ = Error{EIO, Scope::message, Retry::never,
                  fmt::format("the message had {} bytes and has {} now", before, length)};
  ended_ = true;
  return *broken_;
}

void Download::finished(const Result<void>& result) {
  Lock lock(mutex_);
  const auto before = std::exchange(state_, State::idle);
  expected_ = 0;
  // Those who came after the stop was requested must not suffer from it.
  if (result || (before == State::stopping && !broken_)) {
    const bool more = readers_.somebody_waits() || (!broken_ && readers_.next_range(body_, {}));
    if (more) start_job(std::move(lock));
    return;
  }
  if (!body_.proved_length()) ended_ = true;
  const auto waiting = readers_.take_all();
  lock.unlock();
  for (const auto& done : waiting.opens) done(fail(result.error()));
  for (const auto& done : waiting.reads) done(fail(result.error()));
}

}  // namespace imapfs::sync
