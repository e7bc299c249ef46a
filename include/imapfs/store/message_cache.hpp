#pragma once
// Bodies on disk, whole or not at all, bounded in total size, least recently used evicted first. A body that is
// received through a writer has a file of its own; small ones that are given whole share packs of many, and a pack is
// used, and evicted, as one.
//
// Guarantees: a body is visible to open() only after commit(), with exactly the bytes written; a descriptor that was
// handed out stays readable after eviction; what a crash left half-written is removed at the next start and never
// served; bodies survive a restart. A file whose length does not match its name or record, or (after an unclean stop of
// the machine) whose checksum does not, is dropped. When the disk is full or the directory is unusable, writers fall
// back to anonymous memory (memfd) for as long as they are open: `cached` is false, reads work; the disk is tried again
// after `disk_retry_after`. Bodies are not fsynced: the checksum finds what a power cut tore. Threads: all calls may
// come from any thread. open() of a cached body costs at most one open(2) and no lock held across it: it may be called
// from FUSE threads. Everything else belongs on other threads. The thread "cache-scan" reads the directory once after
// the start; until it has ended, a call about a body first reads the lists of packs and the one of 256 folders where
// that body can be, so no answer is ever a wrong miss. Construct after the fork; one cache per directory at a time (see
// AccountDirectory). Hits, misses and evictions are counted here (base/telemetry).

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::store {

struct BodyKey {
  std::string mailbox;  ///< UTF-8 name
  UidValidity uid_validity;
  Uid uid;
  auto operator<=>(const BodyKey&) const = default;
};

/// An open body: bytes `offset()` … `offset() + length()` of a descriptor that is closed with the last body that
/// shares it. pread(2) on it from any thread.
class BodyFile {
 public:
  virtual ~BodyFile() = default;
  BodyFile(const BodyFile&) = delete;
  BodyFile& operator=(const BodyFile&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t length() const { return length_; }

 protected:
  BodyFile(int descriptor, std::uint64_t offset, std::uint64_t length)
      : descriptor_(descriptor), offset_(offset), length_(length) {}

 private:
  const int descriptor_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
};

/// A body being received. Written by one thread, at any offsets; read by others through descriptor() where they know
/// that bytes have been written. Destroyed without commit(): nothing remains on disk, but a descriptor kept open (dup)
/// stays readable. When the disk fills up half-way, the bytes move to memory under the same descriptor number: readers
/// that use the number see every byte; a dup made before shows what had been written by then.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual Result<void> write_at(std::uint64_t offset, std::span<const char> bytes) = 0;
  [[nodiscard]] virtual int descriptor() const = 0;
  /// False when the bytes live in memory because the disk could not take them.
  [[nodiscard]] virtual bool cached() const = 0;
  /// Publishes the body with this length, every byte of which must have been written. After it the descriptor is still
  /// readable, and nothing may be written. Not an error when the body cannot be cached.
  virtual void commit(std::uint64_t length) = 0;
};

class MessageCache {
 public:
  struct Settings {
    std::string directory;                  ///< empty: no disk cache, everything in memory while open
    std::uint64_t size_limit = 1ULL << 30;  ///< bytes of bodies; the newest one may exceed it alone
    std::uint64_t memory_limit = 256ULL
                                 << 20;  ///< total of memfd bodies; beyond it create() and write_at() fail with ENOSPC
    std::chrono::milliseconds disk_retry_after{60'000};  ///< pause before a disk that failed is tried again
  };
  struct Usage {
    std::uint64_t bytes = 0;
    std::uint64_t bodies = 0;
    std::uint64_t limit = 0;
    std::uint64_t memory_bytes = 0;
    bool disk_usable = true;
  };

  explicit MessageCache(Settings settings);
  ~MessageCache();

  [[nodiscard]] std::shared_ptr<BodyFile> open(const BodyKey& key);
  [[nodiscard]] bool contains(const BodyKey& key) const;
  Result<std::unique_ptr<BodyWriter>> create(const BodyKey& key, std::uint64_t expected_length);
  /// A whole body at once, into a pack, which costs much less than create(). False: it is not cached.
  bool store(const BodyKey& key, std::span<const char> body);
  void remove(const BodyKey& key);
  /// Drops every body of a mailbox (all UIDVALIDITY values, or all but `keep`).
  void remove_mailbox(const std::string& mailbox, std::optional<UidValidity> keep = std::nullopt);
  [[nodiscard]] Usage usage() const;
  /// Waits until the directory has been read and the limit enforced. For tests and tools.
  void wait_for_scan();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace imapfs::store
