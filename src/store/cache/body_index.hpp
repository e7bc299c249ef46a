#pragma once
// Which bodies are on disk, and in which order they were last used. Pure bookkeeping: no I/O and no lock (the owner has
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

/// A BodyKey with a 64-bit hash in place of the mailbox's name, as file names hold it.
struct HashedKey {
  std::uint64_t mailbox = 0;
  std::uint32_t uid_validity = 0;
  std::uint32_t uid = 0;
  bool operator==(const HashedKey&) const = default;

  static HashedKey of(const BodyKey& key);
  [[nodiscard]] std::uint64_t hash() const;
  /// The number of the folder for its file: 0 … 255.
  [[nodiscard]] std::size_t shard() const { return hash() & 0xff; }
};

inline constexpr std::size_t shard_count = 256;
std::string shard_name(std::size_t shard);

/// Pack numbers begin at 1; 0 means that the body has a file of its own.
using PackNumber = std::uint64_t;

/// A body in the cache: a file of its own, or part of a pack (see body_packs.hpp). The file's name, or the pack's
/// record, holds everything that the index needs, so that the index can be rebuilt from the directory, and that the
/// body is checked against.
struct StoredBody {
  HashedKey key;
  std::uint64_t length = 0;
  std::uint32_t checksum = 0;    ///< CRC-32
  std::int64_t last_used = 0;    ///< of its file, in nanoseconds since 1970; stored as the file's mtime
  std::uint64_t generation = 0;  ///< tells an entry from a later one with the same key
  bool verified = true;          ///< false: compare the checksum before serving
  PackNumber pack = 0;
  std::uint64_t offset = 0;  ///< within the pack
  std::uint32_t record = 0;  ///< its index in the pack's list

  /// Whether both are the same bytes on disk.
  [[nodiscard]] bool is_at_the_place_of(const StoredBody& other) const;
  /// "<hash of mailbox, 16 hex>-<uidvalidity>-<uid>-<length>-<crc, 8 hex>", in its shard's folder. Not for a body in a
  /// pack.
  [[nodiscard]] std::string file_name() const;
  [[nodiscard]] std::string path() const { return shard_name(key.shard()) + "/" + file_name(); }
  static std::optional<StoredBody> parse(std::string_view file_name);
};

class BodyIndex {
 public:
  /// What to remove from the disk.
  struct Evicted {
    std::vector<StoredBody> files;  ///< bodies with their own files
    std::vector<PackNumber> packs;  ///< whole packs, with all their bodies
    std::size_t bodies = 0;         ///< number of bodies in both
    [[nodiscard]] bool empty() const { return files.empty() && packs.empty(); }
  };

  /// Inserts or replaces a body as the most recently used; returns the replaced entry if its bytes are elsewhere.
  std::optional<StoredBody> insert(StoredBody body);
  /// Inserts a body that was found on disk; sort() puts it into its place by last_used. Of two bodies with one key the
  /// newer wins and the other is returned.
  std::optional<StoredBody> insert_found(StoredBody body);
  [[nodiscard]] const StoredBody* find(const HashedKey& key) const;
  /// Makes its file the most recently used; returns whether to write that to disk (at most once a minute per file).
  bool touch(const HashedKey& key, std::int64_t now);
  void set_verified(const HashedKey& key, std::uint64_t generation);
  /// Removes the entry if it still has this generation.
  bool erase(const HashedKey& key, std::uint64_t generation);
  std::optional<StoredBody> take(const HashedKey& key);
  std::vector<StoredBody> take_mailbox(std::uint64_t mailbox, std::optional<std::uint32_t> keep);
  /// Removes the least recently used files, at most `most` and never the newest, until the total is within `limit`.
  Evicted take_beyond(std::uint64_t limit, std::size_t most);
  [[nodiscard]] bool has_bodies_in(PackNumber pack) const { return packs_.contains(pack); }
  /// Restores the order after calls of insert_found().
  void sort();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return by_key_.size(); }

 private:
  struct KeyHash {
    std::size_t operator()(const HashedKey& key) const { return static_cast<std::size_t>(key.hash() >> 8); }
  };
  /// The unit that is used and evicted: a body's own file or a pack.
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
  std::unordered_map<PackNumber, Order::iterator> packs_;  ///< packs that hold a body
  Entries by_key_;
  std::uint64_t bytes_ = 0;
  std::uint64_t next_generation_ = 1;
};

}  // namespace imapfs::store
