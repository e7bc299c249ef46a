#include "imapfs/store/message_cache.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/executor.hpp"
#include "imapfs/base/telemetry.hpp"
#include "store/cache/cache_writer.hpp"
#include "store/cache/cached_bodies.hpp"

namespace imapfs::store {
namespace {

/// Packs are evicted whole, so a cache should hold a few hundred; a small cache has small packs.
constexpr std::uint64_t packs_in_a_cache = 256;
constexpr std::uint64_t smallest_share_of_a_pack = 16;
constexpr std::uint64_t smallest_pack = 1 << 20;
constexpr std::uint64_t largest_pack = 64 << 20;

std::uint64_t pack_bytes(std::uint64_t size_limit) {
  return std::min(std::clamp(size_limit / packs_in_a_cache, smallest_pack, largest_pack),
                  size_limit / smallest_share_of_a_pack);
}

}  // namespace

/// Decides whether bodies go to disk or to memory; CachedBodies are the ones on disk.
class MessageCache::Implementation : public WriterHost, public std::enable_shared_from_this<Implementation> {
 public:
  explicit Implementation(Settings settings) : settings_(std::move(settings)), memory_(settings_.memory_limit) {}

  void start();
  void close();
  std::shared_ptr<BodyFile> open(const HashedKey& key);
  bool contains(const HashedKey& key);
  Result<std::unique_ptr<BodyWriter>> create(const HashedKey& key, std::uint64_t expected_length);
  bool store(const HashedKey& key, std::span<const char> bytes);
  void remove(const HashedKey& key);
  void remove_mailbox(std::uint64_t mailbox, std::optional<UidValidity> keep);
  Usage usage() const;
  void wait_for_scan();

  bool publish(const std::string& temporary, const StoredBody& body) override;
  void disk_failed(const Error& error) override;
  MemoryBudget& memory() override { return memory_; }

 private:
  /// Null until the directory has been opened.
  [[nodiscard]] std::shared_ptr<CachedBodies> bodies() const;
  /// Null while the disk takes nothing.
  std::shared_ptr<CachedBodies> bodies_for_writing();
  void set_up_disk();
  void scan(const std::stop_token& stop);
  void disk_works();

  const Settings settings_;
  MemoryBudget memory_;

  /// Serialises the set-up and is held during its disk I/O; open() and contains() never take it.
  std::mutex set_up_mutex_;
  std::jthread scanner_;  ///< guarded by set_up_mutex_

  mutable std::mutex mutex_;
  std::condition_variable scan_changed_;
  // The rest is guarded by mutex_.
  std::shared_ptr<CachedBodies> bodies_;
  bool scanning_ = false;
  bool closed_ = false;
  bool disk_usable_ = true;
  Deadline next_try_ = Deadline::min();
};

// -- start and end --

void MessageCache::Implementation::start() {
  if (settings_.directory.empty()) {
    disk_usable_ = false;
    return;
  }
  set_up_disk();
}

void MessageCache::Implementation::set_up_disk() {
  std::lock_guard set_up(set_up_mutex_);
  {
    std::lock_guard guard(mutex_);
    if (bodies_ || closed_) return;
  }
  auto opened = CacheDisk::open(settings_.directory, pack_bytes(settings_.size_limit));
  if (!opened) {
    disk_failed(opened.error());
    return;
  }
  {
    std::lock_guard guard(mutex_);
    bodies_ = std::make_shared<CachedBodies>(std::move(*opened), settings_.size_limit);
    scanning_ = true;
  }
  scanner_ = std::jthread(
      [this](const std::stop_token& stop) { (void)run_contained("cache-scan", [&] { scan(stop); }); });
}

void MessageCache::Implementation::close() {
  std::shared_ptr<CachedBodies> on_disk;
  {
    std::lock_guard guard(mutex_);
    closed_ = true;  // from now on no set-up starts a scanner
  }
  {
    std::lock_guard set_up(set_up_mutex_);
    scanner_ = {};  // requests a stop and joins
    on_disk = bodies();
  }
  if (on_disk) on_disk->disk()->close_cleanly();
}

void MessageCache::Implementation::scan(const std::stop_token& stop) {
  name_this_thread("cache-scan");
  bodies()->scan(stop);
  {
    std::lock_guard guard(mutex_);
    scanning_ = false;
  }
  scan_changed_.notify_all();
}

void MessageCache::Implementation::wait_for_scan() {
  std::unique_lock lock(mutex_);
  scan_changed_.wait(lock, [&] { return !scanning_; });
}

// -- reading --

std::shared_ptr<CachedBodies> MessageCache::Implementation::bodies() const {
  std::lock_guard guard(mutex_);
  return bodies_;
}

std::shared_ptr<BodyFile> MessageCache::Implementation::open(const HashedKey& key) {
  const auto on_disk = bodies();
  auto body = on_disk ? on_disk->open(key) : nullptr;
  if (body) ++telemetry::counters().body_cache_hits;
  else ++telemetry::counters().body_cache_misses;
  return body;
}

bool MessageCache::Implementation::contains(const HashedKey& key) {
  const auto on_disk = bodies();
  return on_disk && on_disk->contains(key);
}

// -- writing --

void MessageCache::Implementation::disk_failed(const Error& error) {
  bool first = false;
  {
    std::lock_guard guard(mutex_);
    first = std::exchange(disk_usable_, false);
    next_try_ = SteadyClock::now() + settings_.disk_retry_after;
  }
  ++telemetry::counters().store_errors;
  if (first) telemetry::warning("store: bodies are not cached for now: {}", error.what);
}

void MessageCache::Implementation::disk_works() {
  bool recovered = false;
  {
    std::lock_guard guard(mutex_);
    recovered = !std::exchange(disk_usable_, true);
  }
  if (recovered) telemetry::info("store: bodies are cached again");
}

std::shared_ptr<CachedBodies> MessageCache::Implementation::bodies_for_writing() {
  {
    std::lock_guard guard(mutex_);
    if (settings_.directory.empty() || closed_) return nullptr;
    if (!disk_usable_ && SteadyClock::now() < next_try_) return nullptr;
    if (bodies_) return bodies_;
  }
  set_up_disk();
  return bodies();
}

Result<std::unique_ptr<BodyWriter>> MessageCache::Implementation::create(const HashedKey& key,
                                                                         std::uint64_t expected_length) {
  if (const auto on_disk = bodies_for_writing()) {
    auto temporary = on_disk->disk()->create_temporary();
    if (temporary) return CacheWriter::on_disk(shared_from_this(), key, on_disk->disk(), std::move(*temporary));
    disk_failed(temporary.error());
  }
  if (!memory_.has_room_for(expected_length)) {
    return fail(ENOSPC, Scope::request, Retry::later,
                "the disk cannot take bodies, and the memory for them is used up");
  }
  auto writer = CacheWriter::in_memory(shared_from_this(), key);
  if (!writer) return fail(std::move(writer).error());
  return std::move(*writer);
}

bool MessageCache::Implementation::publish(const std::string& temporary, const StoredBody& finished) {
  std::shared_ptr<CachedBodies> on_disk;
  {
    std::lock_guard guard(mutex_);
    if (closed_) return false;
    on_disk = bodies_;
  }
  on_disk->load(finished.key);
  if (auto published = on_disk->disk()->publish(temporary, finished); !published) {
    disk_failed(published.error());
    return false;
  }
  disk_works();
  on_disk->insert(finished);
  return true;
}

bool MessageCache::Implementation::store(const HashedKey& key, std::span<const char> bytes) {
  const auto on_disk = bodies_for_writing();
  if (!on_disk) return false;
  on_disk->load(key);
  StoredBody body;
  body.key = key;
  body.length = bytes.size();
  body.checksum = checksum_of(bytes);
  if (auto written = on_disk->disk()->append(body, bytes); !written) {
    disk_failed(written.error());
    return false;
  }
  disk_works();
  on_disk->insert(body);
  return true;
}

void MessageCache::Implementation::remove(const HashedKey& key) {
  if (const auto on_disk = bodies()) on_disk->remove(key);
}

void MessageCache::Implementation::remove_mailbox(std::uint64_t mailbox, std::optional<UidValidity> keep) {
  if (const auto on_disk = bodies()) on_disk->remove_mailbox(mailbox, keep);
}

MessageCache::Usage MessageCache::Implementation::usage() const {
  const auto on_disk = bodies();
  const auto total = on_disk ? on_disk->total() : CachedBodies::Total{};
  std::lock_guard guard(mutex_);
  return Usage{total.bytes, total.bodies, settings_.size_limit, memory_.used(), disk_usable_};
}

// -- the public face --

MessageCache::MessageCache(Settings settings) : implementation_(std::make_shared<Implementation>(std::move(settings))) {
  implementation_->start();
}
MessageCache::~MessageCache() { implementation_->close(); }

std::shared_ptr<BodyFile> MessageCache::open(const BodyKey& key) { return implementation_->open(HashedKey::of(key)); }
bool MessageCache::contains(const BodyKey& key) const { return implementation_->contains(HashedKey::of(key)); }
Result<std::unique_ptr<BodyWriter>> MessageCache::create(const BodyKey& key, std::uint64_t expected_length) {
  return implementation_->create(HashedKey::of(key), expected_length);
}
bool MessageCache::store(const BodyKey& key, std::span<const char> body) {
  return implementation_->store(HashedKey::of(key), body);
}
void MessageCache::remove(const BodyKey& key) { implementation_->remove(HashedKey::of(key)); }
void MessageCache::remove_mailbox(const std::string& mailbox, std::optional<UidValidity> keep) {
  implementation_->remove_mailbox(HashedKey::of(BodyKey{mailbox, {}, {}}).mailbox, keep);
}
MessageCache::Usage MessageCache::usage() const { return implementation_->usage(); }
void MessageCache::wait_for_scan() { implementation_->wait_for_scan(); }

}  // namespace imapfs::store
