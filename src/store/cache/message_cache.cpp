#include "imapfs/store/message_cache.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/executor.hpp"
#include "imapfs/base/telemetry.hpp"
#include "store/cache/body_index.hpp"
#include "store/cache/cache_disk.hpp"
#include "store/cache/cache_writer.hpp"

namespace imapfs::store {
namespace {

/// Files removed per turn when the cache is far beyond its limit, so that the lock is never held for long.
constexpr std::size_t evictions_per_turn = 256;

/// Packs are evicted whole, so a cache holds a few hundred of them; where it is small a pack is, too.
constexpr std::uint64_t packs_in_a_cache = 256;
constexpr std::uint64_t smallest_share_of_a_pack = 16;
constexpr std::uint64_t smallest_pack = 1 << 20;
constexpr std::uint64_t largest_pack = 64 << 20;

std::uint64_t pack_octets(std::uint64_t size_limit) {
  return std::min(std::clamp(size_limit / packs_in_a_cache, smallest_pack, largest_pack),
                  size_limit / smallest_share_of_a_pack);
}

}  // namespace

/// Of a body on disk.
class OpenBody final : public BodyFile {
 public:
  OpenBody(std::shared_ptr<const OwnedDescriptor> file, const StoredBody& body)
      : BodyFile(file->get(), body.offset, body.length), file_(std::move(file)) {}

 private:
  const std::shared_ptr<const OwnedDescriptor> file_;
};

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

  bool publish(const std::shared_ptr<CacheDisk>& disk, const std::string& temporary, const StoredBody& body) override;
  void disk_failed(const Error& error) override;
  MemoryBudget& memory() override { return memory_; }

 private:
  std::shared_ptr<CacheDisk> disk() const;
  std::shared_ptr<CacheDisk> disk_for_writing();
  void set_up_disk();
  void scan(const std::stop_token& stop);
  void load(CacheDisk& disk, const HashedKey& key);
  void load_shard(CacheDisk& disk, std::size_t shard);
  void load_packs(CacheDisk& disk);
  void evict(CacheDisk& disk);
  std::optional<StoredBody> find_and_touch(const HashedKey& key, bool& persist);
  bool has(const StoredBody& body) const;
  void drop(CacheDisk& disk, const StoredBody& body);
  void remove_from(CacheDisk& disk, const std::vector<StoredBody>& bodies);
  void take_over(CacheDisk& disk, const StoredBody& finished);
  bool is_intact(CacheDisk& disk, const StoredBody& body, int descriptor);

  const Settings settings_;
  MemoryBudget memory_;
  /// Set once a folder's files are in the index. Calls about a body load its folder, and the packs, first.
  std::array<std::atomic<bool>, shard_count> loaded_{};
  std::atomic<bool> packs_loaded_{false};

  /// Serialises set-up; held during its disk I/O, and never by open() or contains().
  std::mutex set_up_mutex_;
  std::jthread scanner_;  ///< guarded by set_up_mutex_

  mutable std::mutex mutex_;
  std::condition_variable scan_changed_;
  // The rest is guarded by mutex_.
  std::shared_ptr<CacheDisk> disk_;
  BodyIndex index_;
  bool scanning_ = false;
  bool scanned_ = false;
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
    if (disk_ || closed_) return;
  }
  auto opened = CacheDisk::open(settings_.directory, pack_octets(settings_.size_limit));
  if (!opened) {
    disk_failed(opened.error());
    return;
  }
  {
    std::lock_guard guard(mutex_);
    disk_ = std::move(*opened);
    scanning_ = true;
  }
  scanner_ = std::jthread(
      [this](const std::stop_token& stop) { (void)run_contained("cache-scan", [&] { scan(stop); }); });
}

void MessageCache::Implementation::close() {
  std::shared_ptr<CacheDisk> on_disk;
  {
    std::lock_guard guard(mutex_);
    closed_ = true;  // from here on no set-up starts a scanner
  }
  {
    std::lock_guard set_up(set_up_mutex_);
    scanner_ = {};  // requests a stop and joins
    on_disk = disk();
  }
  if (on_disk) on_disk->close_cleanly();
}

void MessageCache::Implementation::scan(const std::stop_token& stop) {
  name_this_thread("cache-scan");
  const auto on_disk = disk();
  load_packs(*on_disk);
  for (std::size_t shard = 0; shard < shard_count && !stop.stop_requested(); ++shard) load_shard(*on_disk, shard);
  {
    std::lock_guard guard(mutex_);
    index_.sort();
    scanned_ = !stop.stop_requested();
  }
  if (!stop.stop_requested()) evict(*on_disk);
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

/// Two threads may read the same folder at once; the first to finish wins. Nothing changes a folder's files before it
/// is loaded: so what is damaged was left by an earlier process only as long as the folder is not loaded, and may be on
/// its way later.
void MessageCache::Implementation::load_shard(CacheDisk& disk, std::size_t shard) {
  if (loaded_[shard]) return;
  const auto found = disk.scan(shard);
  if (loaded_[shard]) return;
  disk.remove_damaged(shard, found.damaged);
  std::vector<StoredBody> losers;
  {
    std::lock_guard guard(mutex_);
    if (loaded_[shard]) return;
    for (const auto& body : found.bodies) {
      if (auto loser = index_.insert_found(body)) losers.push_back(*loser);
    }
    loaded_[shard] = true;
  }
  remove_from(disk, losers);
}

/// As load_shard().
void MessageCache::Implementation::load_packs(CacheDisk& disk) {
  if (packs_loaded_) return;
  const auto found = disk.scan_packs();
  std::vector<StoredBody> losers;
  {
    std::lock_guard guard(mutex_);
    if (packs_loaded_) return;
    for (const auto& body : found) {
      if (auto loser = index_.insert_found(body)) losers.push_back(*loser);
    }
    packs_loaded_ = true;
  }
  remove_from(disk, losers);
}

/// Whatever there may be of this body.
void MessageCache::Implementation::load(CacheDisk& disk, const HashedKey& key) {
  load_packs(disk);
  load_shard(disk, key.shard());
}

void MessageCache::Implementation::evict(CacheDisk& disk) {
  while (true) {
    BodyIndex::Evicted evicted;
    {
      std::lock_guard guard(mutex_);
      // Before the scan has ended neither the total nor the order is known.
      if (!scanned_) return;
      evicted = index_.take_beyond(settings_.size_limit, evictions_per_turn);
    }
    if (evicted.empty()) return;
    disk.remove(evicted.files);
    for (const auto pack : evicted.packs) disk.remove_pack(pack);
    telemetry::counters().body_cache_evictions += evicted.bodies;
  }
}

// -- reading --

std::shared_ptr<CacheDisk> MessageCache::Implementation::disk() const {
  std::lock_guard guard(mutex_);
  return disk_;
}

std::optional<StoredBody> MessageCache::Implementation::find_and_touch(const HashedKey& key, bool& persist) {
  std::lock_guard guard(mutex_);
  const StoredBody* body = index_.find(key);
  if (body == nullptr) return std::nullopt;
  persist = index_.touch(key, nanoseconds_now());
  return *body;
}

bool MessageCache::Implementation::has(const StoredBody& body) const {
  std::lock_guard guard(mutex_);
  const StoredBody* known = index_.find(body.key);
  return known != nullptr && known->generation == body.generation;
}

void MessageCache::Implementation::drop(CacheDisk& disk, const StoredBody& body) {
  {
    std::lock_guard guard(mutex_);
    if (!index_.erase(body.key, body.generation)) return;
  }
  remove_from(disk, {body});
}

/// Removes what was taken out of the index, and packs of which nothing is left.
void MessageCache::Implementation::remove_from(CacheDisk& disk, const std::vector<StoredBody>& bodies) {
  disk.remove(bodies);
  std::set<PackNumber> packs;
  for (const auto& body : bodies) packs.insert(body.pack);
  packs.erase(0);
  {
    std::lock_guard guard(mutex_);
    std::erase_if(packs, [&](PackNumber pack) { return index_.has_bodies_in(pack); });
  }
  for (const auto pack : packs) disk.remove_pack(pack);
}

/// The file is what its name says. Compares the checksum only where a power cut may have torn the file, once.
bool MessageCache::Implementation::is_intact(CacheDisk& disk, const StoredBody& body, int descriptor) {
  struct stat status {};
  bool intact = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  const auto end = static_cast<std::uint64_t>(status.st_size);
  intact = intact && (body.pack == 0 ? end == body.length : end >= body.offset + body.length);
  if (intact && !body.verified) {
    const auto checksum = checksum_of(descriptor, body.length, body.offset);
    intact = checksum && *checksum == body.checksum;
    if (intact) {
      disk.persist_verified(body, descriptor);
      std::lock_guard guard(mutex_);
      index_.set_verified(body.key, body.generation);
    }
  }
  if (!intact) {
    telemetry::warning("store: a cached body is damaged and is fetched again (UID {})", body.key.uid);
    drop(disk, body);
  }
  return intact;
}

std::shared_ptr<BodyFile> MessageCache::Implementation::open(const HashedKey& key) {
  const auto on_disk = disk();
  if (on_disk) {
    load(*on_disk, key);
    bool persist = false;
    if (const auto body = find_and_touch(key, persist)) {
      auto file = on_disk->open_body(*body);
      const int errnum = file ? 0 : errno;
      // A pack may have lost it in between; and what is opened now keeps its octets.
      const bool still_there = body->pack == 0 || has(*body);
      if (file && still_there && is_intact(*on_disk, *body, file->get())) {
        if (persist) on_disk->persist_use(*body, file->get());
        ++telemetry::counters().body_cache_hits;
        return std::make_shared<OpenBody>(std::move(file), *body);
      }
      // Too many open files says nothing about this one.
      if (errnum != 0 && errnum != EMFILE && errnum != ENFILE && errnum != ENOMEM) drop(*on_disk, *body);
    }
  }
  ++telemetry::counters().body_cache_misses;
  return nullptr;
}

bool MessageCache::Implementation::contains(const HashedKey& key) {
  const auto on_disk = disk();
  if (!on_disk) return false;
  load(*on_disk, key);
  std::lock_guard guard(mutex_);
  return index_.find(key) != nullptr;
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

std::shared_ptr<CacheDisk> MessageCache::Implementation::disk_for_writing() {
  {
    std::lock_guard guard(mutex_);
    if (settings_.directory.empty() || closed_) return nullptr;
    if (!disk_usable_ && SteadyClock::now() < next_try_) return nullptr;
    if (disk_) return disk_;
  }
  set_up_disk();
  return disk();
}

Result<std::unique_ptr<BodyWriter>> MessageCache::Implementation::create(const HashedKey& key,
                                                                         std::uint64_t expected_length) {
  if (auto on_disk = disk_for_writing()) {
    auto temporary = on_disk->create_temporary();
    if (temporary) return CacheWriter::on_disk(shared_from_this(), key, std::move(on_disk), std::move(*temporary));
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

bool MessageCache::Implementation::publish(const std::shared_ptr<CacheDisk>& on_disk, const std::string& temporary,
                                           const StoredBody& finished) {
  {
    std::lock_guard guard(mutex_);
    if (closed_) return false;
  }
  load(*on_disk, finished.key);
  auto published = on_disk->publish(temporary, finished);
  if (!published) {
    disk_failed(published.error());
    return false;
  }
  take_over(*on_disk, finished);
  return true;
}

bool MessageCache::Implementation::store(const HashedKey& key, std::span<const char> bytes) {
  const auto on_disk = disk_for_writing();
  if (!on_disk) return false;
  load(*on_disk, key);
  StoredBody body;
  body.key = key;
  body.length = bytes.size();
  body.checksum = checksum_of(bytes);
  auto written = on_disk->append(body, bytes);
  if (!written) {
    disk_failed(written.error());
    return false;
  }
  take_over(*on_disk, body);
  return true;
}

/// Its octets are at their place.
void MessageCache::Implementation::take_over(CacheDisk& on_disk, const StoredBody& finished) {
  StoredBody body = finished;
  body.last_used = nanoseconds_now();
  std::optional<StoredBody> replaced;
  bool recovered = false;
  {
    std::lock_guard guard(mutex_);
    replaced = index_.insert(body);
    recovered = !std::exchange(disk_usable_, true);
  }
  if (recovered) telemetry::info("store: bodies are cached again");
  if (replaced) remove_from(on_disk, {*replaced});
  evict(on_disk);
}

void MessageCache::Implementation::remove(const HashedKey& key) {
  const auto on_disk = disk();
  if (!on_disk) return;
  load(*on_disk, key);
  std::optional<StoredBody> taken;
  {
    std::lock_guard guard(mutex_);
    taken = index_.take(key);
  }
  if (taken) remove_from(*on_disk, {*taken});
}

void MessageCache::Implementation::remove_mailbox(std::uint64_t mailbox, std::optional<UidValidity> keep) {
  const auto on_disk = disk();
  if (!on_disk) return;
  load_packs(*on_disk);
  for (std::size_t shard = 0; shard < shard_count; ++shard) load_shard(*on_disk, shard);
  std::vector<StoredBody> taken;
  {
    std::lock_guard guard(mutex_);
    taken = index_.take_mailbox(mailbox, keep ? std::optional(keep->value) : std::nullopt);
  }
  remove_from(*on_disk, taken);
}

MessageCache::Usage MessageCache::Implementation::usage() const {
  std::lock_guard guard(mutex_);
  return Usage{index_.bytes(), index_.size(), settings_.size_limit, memory_.used(), disk_usable_};
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
