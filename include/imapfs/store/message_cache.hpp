#pragma once
// Bodies on disk: each whole or not at all, bounded in total size, least recently used evicted first. A body received
// through a writer has its own file. Small bodies that are given whole share packs; a pack is used, and evicted, as
// one.
//
// Guarantees: open() finds a body only after commit(), with exactly the bytes written; an open descriptor stays
// readable after eviction; what a crash left half-written is removed at the next start and never served; bodies survive
// a restart. A file is dropped if its length does not match its name or record, or if (after an unclean stop of the
// machine) its checksum does not. When the disk is full or the directory unusable, writers use anonymous memory (memfd)
// while they are open: `cached` is false, reads work. The disk is tried again after `disk_retry_after`. Bodies are not
// fsynced: the checksum finds what a power cut tore.
//
// Threads: any. open() of a cached body costs at most one open(2), with no lock held during it, so FUSE threads may
// call it. Everything else belongs on other threads. The thread "cache-scan" reads the directory once after the start.
// Until it has ended, a call about a body first reads the lists of packs and the one of 256 folders where that body can
// be, so a miss is never wrong. Construct after the fork; one cache per directory at a time (see AccountDirectory).
// Counts hits, misses and evictions (base/telemetry).

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

/// An open body: bytes `offset()` … `offset() + length()` of a descriptor, which is closed with the last body that
/// shares it. Any thread may pread(2).
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

/// A body being received. One thread writes it, at any offsets; others read through descriptor() where they know that
/// bytes have been written. Destruction without commit() leaves nothing on disk, but a dup of the descriptor stays
/// readable. When the disk fills up meanwhile, the bytes move to memory under the same descriptor number: readers of
/// that number see every byte; an earlier dup shows what had been written until then.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual Result<void> write_at(std::uint64_t offset, std::span<const char> bytes) = 0;
  [[nodiscard]] virtual int descriptor() const = 0;
  /// False if the bytes are in memory because the disk could not take them.
  [[nodiscard]] virtual bool cached() const = 0;
  /// Publishes the body with this length; every byte of it must have been written. Afterwards the descriptor is
  /// readable, but nothing may be written. It is no error if the body cannot be cached.
  virtual void commit(std::uint64_t length) = 0;
};

class MessageCache {
 public:
  struct Settings {
    std::string directory;                  ///< empty: no disk cache; bodies are in memory while open
    std::uint64_t size_limit = 1ULL << 30;  ///< bytes of bodies; only the newest one may exceed it
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
  /// Puts a whole body into a pack, which costs much less than create(). False: it was not cached.
  bool store(const BodyKey& key, std::span<const char> body);
  void remove(const BodyKey& key);
  /// Drops the bodies of a mailbox, of all UIDVALIDITY values or of all but `keep`.
  void remove_mailbox(const std::string& mailbox, std::optional<UidValidity> keep = std::nullopt);
  [[nodiscard]] Usage usage() const;
  /// Waits until the directory was read and the limit enforced. For tests and tools.
  void wait_for_scan();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace imapfs::store
