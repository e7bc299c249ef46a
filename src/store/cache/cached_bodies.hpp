#pragma once
// The bodies of one cache directory and their index, kept in step and within a limit.
//
// Guarantees: a call about a body first reads the lists of packs and the one folder where that body can be, so a miss
// is never wrong. Damaged bodies are dropped. Once everything has been read, the least recently used bodies beyond the
// limit are removed. Disk errors are reported to writers only; a body that cannot be read is a miss. Any thread; no
// lock is held during a system call.

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "imapfs/store/message_cache.hpp"
#include "store/cache/body_index.hpp"
#include "store/cache/cache_disk.hpp"

namespace imapfs::store {

class CachedBodies {
 public:
  CachedBodies(std::shared_ptr<CacheDisk> disk, std::uint64_t size_limit);

  [[nodiscard]] const std::shared_ptr<CacheDisk>& disk() const { return disk_; }

  /// Null if the body is not here, or not intact.
  std::shared_ptr<BodyFile> open(const HashedKey& key);
  bool contains(const HashedKey& key);
  /// Makes known whatever exists of this body. Call it before the body is written.
  void load(const HashedKey& key);
  /// Adds a body whose bytes are in place.
  void insert(const StoredBody& finished);
  void remove(const HashedKey& key);
  void remove_mailbox(std::uint64_t mailbox, std::optional<UidValidity> keep);

  /// Reads the whole directory; from then on the limit holds.
  void scan(const std::stop_token& stop);

  struct Total {
    std::uint64_t bytes = 0;
    std::uint64_t bodies = 0;
  };
  [[nodiscard]] Total total() const;

 private:
  void load_shard(std::size_t shard);
  void load_packs();
  /// Returns the bodies that lose against a newer file of the same body.
  [[nodiscard]] std::vector<StoredBody> insert_found(const std::vector<StoredBody>& found);
  void evict();
  std::optional<StoredBody> find_and_touch(const HashedKey& key, bool& persist);
  [[nodiscard]] bool has(const StoredBody& body) const;
  void drop(const StoredBody& body);
  void remove_from_disk(const std::vector<StoredBody>& bodies);
  bool is_intact(const StoredBody& body, int descriptor);

  const std::shared_ptr<CacheDisk> disk_;
  const std::uint64_t size_limit_;
  /// True once a folder's files are in the index.
  std::array<std::atomic<bool>, shard_count> loaded_{};
  std::atomic<bool> packs_loaded_{false};

  mutable std::mutex mutex_;
  BodyIndex index_;       ///< guarded by mutex_
  bool scanned_ = false;  ///< guarded by mutex_: total and order are known
};

}  // namespace imapfs::store
