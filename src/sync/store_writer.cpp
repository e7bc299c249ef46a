#include "sync/store_writer.hpp"

#include "imapfs/base/exception_barrier.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t most_writes_waiting = 16;
/// As much as a listing keeps back at most, and a little more. A larger single batch waits until no other is waiting.
constexpr std::size_t most_waiting_bytes = 40 << 20;
/// Counting rows scans an index.
constexpr auto measure_every = std::chrono::seconds(30);

}  // namespace

StoreWriter::StoreWriter(std::unique_ptr<store::MetadataStore> metadata)
    : metadata_(std::move(metadata)), queue_("store", most_writes_waiting) {
  queue_.post([this] { look(); });
}

StoreWriter::~StoreWriter() { close(); }

void StoreWriter::post(StoreJob job) {
  queue_.post([this, job = std::move(job)] { run(job); });
}

bool StoreWriter::try_post(StoreJob job) {
  return queue_.try_post([this, job = std::move(job)] { run(job); });
}

void StoreWriter::Backlog::take(std::size_t bytes, bool wait) {
  std::unique_lock lock(mutex_);
  if (wait) less_.wait(lock, [&] { return bytes_ == 0 || bytes_ + bytes <= most_waiting_bytes; });
  bytes_ += bytes;
}

void StoreWriter::Backlog::give_back(std::size_t bytes) {
  {
    const std::lock_guard guard(mutex_);
    bytes_ -= bytes;
  }
  less_.notify_all();
}

void StoreWriter::apply(store::MetadataStore::Batch batch) {
  const auto bytes = batch.upserts.empty() ? 0 : batch.upserts.memory_bytes();
  const bool may_wait = bytes > 0 && !queue_.runs_here();
  backlog_.take(bytes, may_wait);
  // A std::function must be copyable, but the rows must not be copied.
  const std::shared_ptr<store::MetadataStore::Batch> shared(new store::MetadataStore::Batch(std::move(batch)),
                                                            [this, bytes](store::MetadataStore::Batch* done) {
                                                              delete done;
                                                              backlog_.give_back(bytes);
                                                            });
  post([shared](store::MetadataStore& metadata) { metadata.apply(*shared); });
}

void StoreWriter::run(const StoreJob& job) {
  (void)run_contained("store", [&] { job(*metadata_); });
  look();
}

void StoreWriter::look() {
  const auto now = SteadyClock::now();
  const bool measure = measured_ == SteadyClock::time_point{} || now - measured_ > measure_every;
  Snapshot fresh = snapshot();
  if (measure) {
    fresh.usage = metadata_->usage();
    measured_ = now;
  }
  fresh.disabled = metadata_->disabled();
  fresh.last_error = metadata_->last_error();
  *snapshot_.lock() = std::move(fresh);
}

void StoreWriter::drain() { queue_.drain(); }

void StoreWriter::close() { queue_.close(); }

StoreWriter::Snapshot StoreWriter::snapshot() const {
  return snapshot_.with_lock([](const Snapshot& snapshot) { return snapshot; });
}

}  // namespace imapfs::sync
