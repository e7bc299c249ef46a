#pragma once
// A body on its way into the cache: a temporary file, or anonymous memory if the disk cannot take it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "imapfs/store/message_cache.hpp"
#include "store/cache/cache_disk.hpp"

namespace imapfs::store {

/// The bytes of anonymous memory that all bodies together may use. Any thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}
  [[nodiscard]] bool try_take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes) { used_ -= bytes; }
  [[nodiscard]] bool has_room_for(std::uint64_t bytes) const;
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

/// What a writer needs of the cache. Outlives the writer; called without locks, on the writer's thread.
class WriterHost {
 public:
  virtual ~WriterHost() = default;
  /// Takes over the finished file. False: it is not cached, and the writer removes it.
  virtual bool publish(const std::string& temporary, const StoredBody& body) = 0;
  virtual void disk_failed(const Error& error) = 0;
  virtual MemoryBudget& memory() = 0;
};

class CacheWriter : public BodyWriter {
 public:
  static std::unique_ptr<CacheWriter> on_disk(std::shared_ptr<WriterHost> host, HashedKey key,
                                              std::shared_ptr<CacheDisk> disk, CacheDisk::Temporary temporary);
  static Result<std::unique_ptr<CacheWriter>> in_memory(std::shared_ptr<WriterHost> host, HashedKey key);
  ~CacheWriter() override;

  Result<void> write_at(std::uint64_t offset, std::span<const char> bytes) override;
  [[nodiscard]] int descriptor() const override { return descriptor_.get(); }
  [[nodiscard]] bool cached() const override { return cached_; }
  void commit(std::uint64_t length) override;

 private:
  CacheWriter(std::shared_ptr<WriterHost> host, HashedKey key, OwnedDescriptor descriptor);
  Result<void> write_to_memory(int descriptor, std::uint64_t offset, std::span<const char> bytes);
  Result<void> move_to_memory();
  Result<void> copy_segment(int target, std::uint64_t begin, std::uint64_t end);
  void note_written(std::uint64_t offset, std::span<const char> bytes);
  Result<std::uint32_t> finish_file(std::uint64_t length);
  void leave_disk();

  std::shared_ptr<WriterHost> host_;
  const HashedKey key_;
  OwnedDescriptor descriptor_;
  std::shared_ptr<CacheDisk> disk_;  ///< null: in memory
  std::string temporary_;            ///< its name in tmp/ while the file is there
  std::atomic<bool> cached_{false};
  bool committed_ = false;
  std::uint64_t memory_taken_ = 0;
  /// The checksum of bytes 0 … written_in_order_ is known while each write continues the one before.
  bool in_order_ = true;
  std::uint64_t written_in_order_ = 0;
  std::uint32_t checksum_ = 0;
};

}  // namespace imapfs::store
