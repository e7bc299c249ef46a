#include "sync/bodies/received_body.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {

ReceivedBody::ReceivedBody(DownloadDependencies& dependencies, const BodyFetcher::Request& request,
                           OnArrival on_arrival)
    : dependencies_(dependencies), request_(request), on_arrival_(std::move(on_arrival)),
      length_to_tell_(request.size) {}

Result<void> ReceivedBody::create_file() {
  {
    const std::lock_guard guard(mutex_);
    if (writer_) return {};
  }
  std::shared_ptr<store::BodyWriter> writer = IMAPFS_TRY(dependencies_.cache().create(request_.key, request_.size));
  const std::lock_guard guard(mutex_);
  writer_ = std::move(writer);
  return {};
}

bool ReceivedBody::on_disk() const {
  const std::lock_guard guard(mutex_);
  return writer_->cached();
}

Result<void> ReceivedBody::write(std::uint64_t offset, std::span<const char> bytes) {
  const ByteSpan span{offset, offset + bytes.size()};
  std::unique_lock lock(mutex_);
  const bool known = present_.covers(span);
  const auto writer = writer_;
  lock.unlock();
  if (!known) IMAPFS_TRY(writer->write_at(offset, bytes));

  lock.lock();
  present_.add(span);
  whole_ = length_ && present_.covers({0, *length_});
  lock.unlock();
  on_arrival_(bytes.size());
  return {};
}

void ReceivedBody::prove_length(std::uint64_t length) {
  // Report the length before anybody can see it, so that the size is corrected before the last byte is read.
  if (length != request_.size) dependencies_.exact_size(request_, length);
  {
    const std::lock_guard guard(mutex_);
    length_to_tell_ = length;
    proved_ = true;
    length_ = length;
    whole_ = present_.covers({0, length});
  }
  on_arrival_(0);
}

void ReceivedBody::prove_if_credible(std::uint64_t length) {
  if (length == request_.size || length > dependencies_.settings().whole_fetch_limit) prove_length(length);
}

void ReceivedBody::fetch_by_ranges() {
  const std::lock_guard guard(mutex_);
  by_ranges_ = true;
}

void ReceivedBody::start_over() {
  const std::lock_guard guard(mutex_);
  by_ranges_ = false;
  present_.clear();
}

void ReceivedBody::commit_if_whole() {
  std::unique_lock lock(mutex_);
  if (!whole_ || committed_) return;
  committed_ = true;
  const auto writer = writer_;
  const auto length = *length_;
  lock.unlock();
  writer->commit(length);
}

std::uint64_t ReceivedBody::given_early() const {
  const std::lock_guard guard(mutex_);
  return given_early_;
}

std::optional<std::uint64_t> ReceivedBody::proved_length() const {
  const std::lock_guard guard(mutex_);
  return length_;
}

bool ReceivedBody::by_ranges() const {
  const std::lock_guard guard(mutex_);
  return by_ranges_;
}

bool ReceivedBody::may_give(ByteSpan span) const {
  const bool allowed = length_ || (span.length() > 0 && span.end < request_.size);
  return allowed && present_.covers(span);
}

bool ReceivedBody::can_answer(ByteSpan span) const {
  const std::lock_guard guard(mutex_);
  return may_give(span);
}

std::optional<BodySlice> ReceivedBody::slice(ByteSpan span) {
  const std::lock_guard guard(mutex_);
  if (!may_give(span)) return std::nullopt;
  if (!length_) given_early_ = std::max(given_early_, span.end);
  return BodySlice{writer_->descriptor(), span.begin, static_cast<std::size_t>(span.length()), writer_};
}

std::optional<ByteSpan> ReceivedBody::first_gap(ByteSpan span) const {
  const std::lock_guard guard(mutex_);
  return present_.first_gap(span);
}

std::uint64_t ReceivedBody::gap_start(std::uint64_t offset) const {
  const std::lock_guard guard(mutex_);
  return present_.gap_start(offset);
}

}  // namespace imapfs::sync
