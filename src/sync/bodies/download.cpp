#include "sync/bodies/download.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "sync/bodies/streamed_body.hpp"

namespace imapfs::sync {
namespace {

constexpr std::uint64_t granule = 64 << 10;           ///< of ranges for random reads
constexpr std::uint64_t smallest_window = 256 << 10;  ///< of ranges for sequential reads
constexpr std::uint64_t largest_window = 8 << 20;
/// The kernel's read-ahead may ask a little out of order.
constexpr std::uint64_t sequence_slack = 128 << 10;
/// With more than this still to come, a reconnect is cheaper than the rest of a body nobody wants.
constexpr std::uint64_t abandon_beyond = 1 << 20;
/// The slowest line on which a body must still be readable.
constexpr std::uint64_t slowest_download = 64 << 10;
constexpr std::uint64_t assumed_size = 16 << 20;  ///< where the server tells none

std::uint64_t align_down(std::uint64_t offset) { return offset / granule * granule; }

}  // namespace

void ReadStream::note(std::uint64_t offset, std::uint64_t length) {
  const bool continues = offset <= position + sequence_slack && position <= offset + sequence_slack;
  run = continues ? run + length : length;
  position = offset + length;
}

std::uint64_t ReadStream::window() const {
  return run < smallest_window ? 0 : std::min(std::bit_floor(run), largest_window);
}

Download::Download(std::shared_ptr<DownloadDependencies> host, BodyFetcher::Request request)
    : host_(std::move(host)), request_(std::move(request)), published_length_(request_.size) {}

bool Download::join(OpenDone& done, ByteSpan wanted) {
  Lock lock(mutex_);
  if (ended_) return false;
  if (length_ || can_answer(wanted)) {
    lock.unlock();
    auto body = std::make_shared<StreamedBody>(shared_from_this());
    done(std::move(body));
    return true;
  }
  openers_.push_back({std::move(done), wanted});
  if (!running_) start_job(std::move(lock));
  return true;
}

bool Download::carry() {
  const Lock lock(mutex_);
  if (running_ || length_ || ended_ || !streams_.empty()) return false;
  running_ = true;
  return true;
}

void Download::detach() { finished({}); }

void Download::stop() {
  Lock lock(mutex_);
  stopped_ = true;
  auto stop = stop_;
  lock.unlock();
  stop.request_stop();
}

void Download::attach(ReadStream* stream) {
  const Lock lock(mutex_);
  streams_.insert(stream);
}

void Download::detach(ReadStream* stream) {
  Lock lock(mutex_);
  streams_.erase(stream);
  abandon_if_unwanted(std::move(lock));
}

void Download::abandon_if_unwanted(Lock lock) {
  const bool wanted = !openers_.empty() || !readers_.empty() || !streams_.empty();
  if (wanted || !running_ || stopped_ || expected_ <= abandon_beyond) return;
  stopped_ = true;
  auto stop = stop_;
  lock.unlock();
  stop.request_stop();
}

void Download::read(ReadStream& stream, std::uint64_t offset, std::size_t length, Completion<BodySlice> done) {
  Lock lock(mutex_);
  const auto span = ByteSpan::at(offset, length).up_to(length_.value_or(UINT64_MAX));
  stream.note(span.begin, span.length());
  if (can_answer(span)) {
    auto octets = give(span);
    lock.unlock();
    done(std::move(octets));
    return read_ahead();
  }
  if (broken_) {
    auto error = *broken_;
    lock.unlock();
    return done(fail(std::move(error)));
  }
  readers_.push_back(Reader{span, stream.window(), std::move(done)});
  if (!running_) start_job(std::move(lock));
}

void Download::read_ahead() {
  if (whole_) return;
  Lock lock(mutex_);
  if (by_ranges_ && length_ && !running_ && !broken_ && next_range()) start_job(std::move(lock));
}

/// Before the length is proved, only what ends below the told size: the last octet of a file, as the kernel knows it,
/// must not be read before the kernel can be told that more follows.
bool Download::can_answer(ByteSpan span) const {
  const bool allowed = length_ || (span.length() > 0 && span.end < request_.size);
  return allowed && present_.covers(span);
}

BodySlice Download::give(ByteSpan span) {
  if (!length_) given_early_ = std::max(given_early_, span.end);
  return BodySlice{writer_->descriptor(), span.begin, static_cast<std::size_t>(span.length()), writer_};
}

/// Whoever waits for nothing more.
void Download::answer(Lock lock) {
  std::vector<std::pair<BodySlice, Completion<BodySlice>>> served;
  std::erase_if(readers_, [&](Reader& reader) {
    if (length_) reader.span = reader.span.up_to(*length_);
    if (!can_answer(reader.span)) return false;
    served.emplace_back(give(reader.span), std::move(reader.done));
    return true;
  });
  std::vector<OpenDone> opened;
  std::erase_if(openers_, [&](Opener& opener) {
    if (!length_ && !can_answer(opener.wanted)) return false;
    opened.push_back(std::move(opener.done));
    return true;
  });
  lock.unlock();
  // All bodies first: one that is dropped at once must not end the transfer for the others.
  std::vector<std::shared_ptr<Body>> bodies;
  for (std::size_t i = 0; i < opened.size(); ++i) bodies.push_back(std::make_shared<StreamedBody>(shared_from_this()));
  for (std::size_t i = 0; i < opened.size(); ++i) opened[i](std::move(bodies[i]));
  for (auto& [octets, done] : served) done(std::move(octets));
}

std::optional<ByteSpan> Download::next_range() const {
  for (const auto& reader : readers_) {
    if (const auto gap = present_.first_gap(reader.span)) return shape(*gap, reader);
  }
  for (const auto* stream : streams_) {
    const auto window = stream->window();
    const auto gap = present_.first_gap({stream->position, std::min(*length_, stream->position + window)});
    if (window > 0 && gap) return present_.first_gap({gap->begin, std::min(*length_, gap->begin + window)});
  }
  return std::nullopt;
}

ByteSpan Download::shape(ByteSpan gap, const Reader& reader) const {
  auto begin = gap.begin;
  auto end = std::max(reader.span.end, begin + reader.window);
  if (reader.window == 0) {
    begin = std::max(align_down(begin), present_.gap_start(begin));
    end = align_down(end + granule - 1);
  }
  end = std::min({end, *length_, begin + largest_window});
  return present_.first_gap({begin, end}).value_or(gap);
}

SteadyClock::duration Download::patience() const {
  const auto size = length_.value_or(request_.size == 0 ? assumed_size : request_.size);
  const auto octets = by_ranges_ ? std::min(size, largest_window) : size;
  return host_->settings().timeout + std::chrono::seconds(octets / slowest_download);
}

void Download::start_job(Lock lock) {
  running_ = true;
  stopped_ = false;
  expected_ = 0;
  stop_ = std::stop_source();
  imap::PoolJob job;
  job.mailbox = request_.wire_name;
  job.priority = imap::Priority::interactive;
  job.context = CallContext::within(patience(), stop_.get_token());
  job.what = fmt::format("fetch message {} of {}", request_.key.uid.value, request_.key.mailbox);
  job.run = [self = shared_from_this()](imap::Session& session, const CallContext& context) {
    return self->run(session, context);
  };
  job.done = [self = shared_from_this()](const Result<void>& result) { self->finished(result); };
  lock.unlock();
  host_->submit(std::move(job));
}

bool Download::has_work() const {
  return !openers_.empty() || !readers_.empty() || (by_ranges_ && length_ && !broken_ && next_range());
}

void Download::finished(const Result<void>& result) {
  Lock lock(mutex_);
  running_ = false;
  expected_ = 0;
  // Whoever came after the stop was requested is not to blame for it.
  if (result || (stopped_ && !broken_)) {
    if (has_work()) start_job(std::move(lock));
    return;
  }
  if (!length_) ended_ = true;
  const auto openers = std::exchange(openers_, {});
  const auto readers = std::exchange(readers_, {});
  lock.unlock();
  for (const auto& opener : openers) opener.done(fail(result.error()));
  for (const auto& reader : readers) reader.done(fail(result.error()));
}

}  // namespace imapfs::sync
