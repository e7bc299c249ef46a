#include "store/cache/cached_bodies.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

/// The most files to remove while the lock is held once, for a cache far beyond its limit.
constexpr std::size_t evictions_per_turn = 256;

class OpenBody final : public BodyFile {
 public:
  OpenBody(std::shared_ptr<const OwnedDescriptor> file, const StoredBody& body)
      : BodyFile(file->get(), body.offset, body.length), file_(std::move(file)) {}

 private:
  const std::shared_ptr<const OwnedDescriptor> file_;
};

}  // namespace

CachedBodies::CachedBodies(std::shared_ptr<CacheDisk> disk, std::uint64_t size_limit)
    : disk_(std::move(disk)), size_limit_(size_limit) {}

// -- what is there --

void CachedBodies::load(const HashedKey& key) {
  load_packs();
  load_shard(key.shard());
}

void CachedBodies::scan(const std::stop_token& stop) {
  load_packs();
  for (std::size_t shard = 0; shard < shard_count && !stop.stop_requested(); ++shard) load_shard(shard);
  {
    std::lock_guard guard(mutex_);
    index_.sort();
    scanned_ = !stop.stop_requested();
  }
  if (!stop.stop_requested()) evict();
}

/// Two threads may read the same folder at once; the first to finish wins. Until a folder is loaded, this process does
/// not change its files, so a damaged file is an earlier process's. Later it may be a file that is being written.
void CachedBodies::load_shard(std::size_t shard) {
  if (loaded_[shard]) return;
  const auto found = disk_->scan(shard);
  if (loaded_[shard]) return;
  disk_->remove_damaged(shard, found.damaged);
  std::vector<StoredBody> losers;
  {
    std::lock_guard guard(mutex_);
    if (loaded_[shard]) return;
    losers = insert_found(found.bodies);
    loaded_[shard] = true;
  }
  remove_from_disk(losers);
}

/// As load_shard().
void CachedBodies::load_packs() {
  if (packs_loaded_) return;
  const auto found = disk_->scan_packs();
  std::vector<StoredBody> losers;
  {
    std::lock_guard guard(mutex_);
    if (packs_loaded_) return;
    losers = insert_found(found);
    packs_loaded_ = true;
  }
  remove_from_disk(losers);
}

/// Called with the lock held.
std::vector<StoredBody> CachedBodies::insert_found(const std::vector<StoredBody>& found) {
  std::vector<StoredBody> losers;
  for (const auto& body : found)
    if (auto loser = index_.insert_found(body)) losers.push_back(*loser);
  return losers;
}

CachedBodies::Total CachedBodies::total() const {
  std::lock_guard guard(mutex_);
  return {index_.bytes(), index_.size()};
}

// -- reading --

std::shared_ptr<BodyFile> CachedBodies::open(const HashedKey& key) {
  load(key);
  bool persist = false;
  const auto body = find_and_touch(key, persist);
  if (!body) return nullptr;
  auto file = disk_->open_body(*body);
  const int errnum = file ? 0 : errno;
  // The pack may have lost the body in between. From now on an open file keeps its bytes.
  const bool still_there = body->pack == 0 || has(*body);
  if (file && still_there && is_intact(*body, file->get())) {
    if (persist) disk_->persist_use(*body, file->get());
    return std::make_shared<OpenBody>(std::move(file), *body);
  }
  // A lack of descriptors or memory says nothing about this body.
  if (errnum != 0 && errnum != EMFILE && errnum != ENFILE && errnum != ENOMEM) drop(*body);
  return nullptr;
}

bool CachedBodies::contains(const HashedKey& key) {
  load(key);
  std::lock_guard guard(mutex_);
  return index_.find(key) != nullptr;
}

std::optional<StoredBody> CachedBodies::find_and_touch(const HashedKey& key, bool& persist) {
  std::lock_guard guard(mutex_);
  const StoredBody* body = index_.find(key);
  if (body == nullptr) return std::nullopt;
  persist = index_.touch(key, nanoseconds_now());
  return *body;
}

bool CachedBodies::has(const StoredBody& body) const {
  std::lock_guard guard(mutex_);
  const StoredBody* known = index_.find(body.key);
  return known != nullptr && known->generation == body.generation;
}

void CachedBodies::drop(const StoredBody& body) {
  {
    std::lock_guard guard(mutex_);
    if (!index_.erase(body.key, body.generation)) return;
  }
  remove_from_disk({body});
}

/// Removes bodies that were taken out of the index, and packs that have no body left.
void CachedBodies::remove_from_disk(const std::vector<StoredBody>& bodies) {
  disk_->remove(bodies);
  std::set<PackNumber> packs;
  for (const auto& body : bodies) packs.insert(body.pack);
  packs.erase(0);
  {
    std::lock_guard guard(mutex_);
    std::erase_if(packs, [&](PackNumber pack) { return index_.has_bodies_in(pack); });
  }
  for (const auto pack : packs) disk_->remove_pack(pack);
}

/// Whether the file is what its name says. Compares the checksum once, if a power cut may have torn the file.
bool CachedBodies::is_intact(const StoredBody& body, int descriptor) {
  struct stat status {};
  bool intact = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  const auto end = static_cast<std::uint64_t>(status.st_size);
  intact = intact && (body.pack == 0 ? end == body.length : end >= body.offset + body.length);
  if (intact && !body.verified) {
    const auto checksum = checksum_of(descriptor, body.length, body.offset);
    intact = checksum && *checksum == body.checksum;
    if (intact) {
      disk_->persist_verified(body, descriptor);
      std::lock_guard guard(mutex_);
      index_.set_verified(body.key, body.generation);
    }
  }
  if (!intact) {
    telemetry::warning("store: a cached body is damaged and is fetched again (UID {})", body.key.uid);
    drop(body);
  }
  return intact;
}

// -- what comes and goes --

void CachedBodies::insert(const StoredBody& finished) {
  StoredBody body = finished;
  body.last_used = nanoseconds_now();
  std::optional<StoredBody> replaced;
  {
    std::lock_guard guard(mutex_);
    replaced = index_.insert(body);
  }
  if (replaced) remove_from_disk({*replaced});
  evict();
}

void CachedBodies::remove(const HashedKey& key) {
  load(key);
  std::optional<StoredBody> taken;
  {
    std::lock_guard guard(mutex_);
    taken = index_.take(key);
  }
  if (taken) remove_from_disk({*taken});
}

void CachedBodies::remove_mailbox(std::uint64_t mailbox, std::optional<UidValidity> keep) {
  load_packs();
  for (std::size_t shard = 0; shard < shard_count; ++shard) load_shard(shard);
  std::vector<StoredBody> taken;
  {
    std::lock_guard guard(mutex_);
    taken = index_.take_mailbox(mailbox, keep ? std::optional(keep->value) : std::nullopt);
  }
  remove_from_disk(taken);
}

void CachedBodies::evict() {
  while (true) {
    BodyIndex::Evicted evicted;
    {
      std::lock_guard guard(mutex_);
      // Until the scan has ended, neither the total nor the order is known.
      if (!scanned_) return;
      evicted = index_.take_beyond(size_limit_, evictions_per_turn);
    }
    if (evicted.empty()) return;
    disk_->remove(evicted.files);
    for (const auto pack : evicted.packs) disk_->remove_pack(pack);
    telemetry::counters().body_cache_evictions += evicted.bodies;
  }
}

}  // namespace imapfs::store
