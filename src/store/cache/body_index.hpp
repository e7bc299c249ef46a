#pragma once
// Which bodies are on disk, and in which order they were last used. Pure bookkeeping: no I/O, no lock (the owner has
// one).

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "imapfs/store/message_cache.hpp"

namespace imapfs::store {

/// A BodyKey with the mailbox's name as its 64-bit hash: what a file name carries.
struct HashedKey {
  std::uint64_t mailbox = 0;
  std::uint32_t uid_validity = 0;
  std::uint32_t uid = 0;
  bool operator==(const HashedKey&) const = default;

  static HashedKey of(const BodyKey& key);
  [[nodiscard]] std::uint64_t hash() const;
  /// 0 … 255: the folder its file is in.
  [[nodiscard]] std::size_t shard() const { return hash() & 0xff; }
};

inline constexpr std::size_t shard_count = 256;
std::string shard_name(std::size_t shard);

/// Numbers of packs begin at 1; 0 stands for a file of the body's own.
using PackNumber = std::uint64_t;

/// A body of the cache: a file of its own, or a part of a pack (see body_packs.hpp). The name of the file, or the
/// record of the pack, holds everything the index needs, so that reading the directory rebuilds it, and what the body
/// must measure up to.
struct StoredBody {
  HashedKey key;
  std::uint64_t length = 0;
  std::uint32_t checksum = 0;    ///< CRC-32
  std::int64_t last_used = 0;    ///< nanoseconds since 1970; of the file it is in: its mtime when persisted
  std::uint64_t generation = 0;  ///< tells an entry from a later one of the same name
  bool verified = true;          ///< false: compare the checksum before serving
  PackNumber pack = 0;
  std::uint64_t offset = 0;  ///< within the pack
  std::uint32_t record = 0;  ///< its place in the pack's list

  /// Whether both name the same bytes on the disk.
  [[nodiscard]] bool is_at_the_place_of(const StoredBody& other) const;
  /// "<hash of mailbox, 16 hex>-<uidvalidity>-<uid>-<length>-<crc, 8 hex>", below its shard's folder. Not of a pack's.
  [[nodiscard]] std::string file_name() const;
  [[nodiscard]] std::string path() const { return shard_name(key.shard()) + "/" + file_name(); }
  static std::optional<StoredBody> parse(std::string_view file_name);
};

class BodyIndex {
 public:
  /// What has to go from the disk.
  struct Evicted {
    std::vector<StoredBody> files;  ///< bodies with a file of their own
    std::vector<PackNumber> packs;  ///< whole, with all bodies that are in them
    std::size_t bodies = 0;         ///< in both
    [[nodiscard]] bool empty() const { return files.empty() && packs.empty(); }
  };

  /// Inserts as the most recently used, or replaces; returns the entry replaced if its bytes are at another place.
  std::optional<StoredBody> insert(StoredBody body);
  /// Inserts what was found on disk, its place by last_used (after sort()). A key already known: the newer file wins,
  /// the other is returned.
  std::optional<StoredBody> insert_found(StoredBody body);
  [[nodiscard]] const StoredBody* find(const HashedKey& key) const;
  /// Moves its file to the front; returns whether the use should be written to disk (at most once a minute per file).
  bool touch(const HashedKey& key, std::int64_t now);
  void set_verified(const HashedKey& key, std::uint64_t generation);
  /// Removes the entry if it still is that generation.
  bool erase(const HashedKey& key, std::uint64_t generation);
  std::optional<StoredBody> take(const HashedKey& key);
  std::vector<StoredBody> take_mailbox(std::uint64_t mailbox, std::optional<std::uint32_t> keep);
  /// Removes the least recently used files until the total is within `limit`, at most `most` of them, and never the
  /// newest.
  Evicted take_beyond(std::uint64_t limit, std::size_t most);
  [[nodiscard]] bool has_bodies_in(PackNumber pack) const { return packs_.contains(pack); }
  /// Restores the order after a series of insert_found().
  void sort();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  struct KeyHash {
    std::size_t operator()(const HashedKey& key) const { return static_cast<std::size_t>(key.hash() >> 8); }
  };
  /// What is used, and evicted, as one.
  struct File {
    PackNumber pack = 0;
    std::int64_t last_used = 0;
    std::int64_t persisted_use = 0;  ///< the mtime on disk
    std::vector<HashedKey> bodies;
  };
  using Order = std::list<File>;
  struct Entry {
    StoredBody body;
    Order::iterator file;
  };
  using Entries = std::unordered_map<HashedKey, Entry, KeyHash>;
  void add(StoredBody body, Order::iterator file);
  StoredBody remove(Entries::iterator entry);
  Order::iterator file_of(const StoredBody& body, Order::iterator place);

  Order order_;                                            ///< most recently used first
  std::unordered_map<PackNumber, Order::iterator> packs_;  ///< those with a body
  Entries by_key_;
  std::uint64_t bytes_ = 0;
  std::uint64_t next_generation_ = 1;
};

}  // namespace imapfs::store
