#pragma once
// The directories of the body cache and every system call on them.
//
//   <directory>/bodies/<2 hex>/<name>   whole bodies, see StoredBody; shorter than their name says while they are written at once
//   <directory>/tmp/<number>            bodies being written; all removed at the next start
//   <directory>/in-use                  the machine's boot id while a process uses the cache; removed on a clean close
//   <directory>/closed                  the machine's boot id at the last clean close
//   <directory>/verify                  "FROM TO", nanoseconds since 1970: files last changed in this span are compared
//   with their checksum once
//
// Bodies are never synced, so what was written in the minutes before the machine stopped may have its name on the disk
// but not its content. When `in-use` is found with another boot id, every body is suspect; when `closed` is, those
// changed shortly before the close. Threads: any, no lock is needed.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "body_index.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::store {

/// A descriptor that is closed with the object.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~OwnedDescriptor();
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] explicit operator bool() const { return descriptor_ >= 0; }
  int release();

 private:
  int descriptor_;
};

/// CRC-32.
std::uint32_t checksum_of(std::span<const char> bytes);
/// CRC-32 of the first `length` bytes. EIO where there are fewer.
Result<std::uint32_t> checksum_of(int descriptor, std::uint64_t length);

class CacheDisk {
 public:
  struct Temporary {
    OwnedDescriptor descriptor;
    std::string name;
  };

  /// Makes the directories (0700), empties tmp/. A directory that cannot be written to but holds bodies is opened all
  /// the same.
  static Result<std::shared_ptr<CacheDisk>> open(const std::string& directory);
  ~CacheDisk() = default;
  CacheDisk(const CacheDisk&) = delete;
  CacheDisk& operator=(const CacheDisk&) = delete;

  Result<Temporary> create_temporary();
  void remove_temporary(const std::string& name);
  /// Gives a temporary file its final name; readers see all of it or nothing.
  Result<void> publish(const std::string& temporary, const StoredBody& body);
  /// A body whose octets are all there, under its final name from the start: until it is complete its length is not that of its name, and
  /// the index does not have it.
  Result<void> write_whole(const StoredBody& body, std::span<const char> bytes);
  [[nodiscard]] OwnedDescriptor open_body(const StoredBody& body) const;
  void remove(const StoredBody& body) const;
  void remove(const std::vector<StoredBody>& bodies) const;
  struct Folder {
    std::vector<StoredBody> bodies;
    std::vector<std::string> damaged;  ///< names of what is no body, or has not the length in its name
  };
  Folder scan(std::size_t shard) const;
  void remove_damaged(std::size_t shard, const std::vector<std::string>& names) const;
  /// Puts `closed` in the place of `in-use`. Nothing may be published afterwards.
  void close_cleanly();

 private:
  CacheDisk(OwnedDescriptor directory, OwnedDescriptor bodies, OwnedDescriptor temporary);
  void read_marks();
  [[nodiscard]] bool needs_verification(std::int64_t changed) const {
    return changed > verify_from_ && changed <= verify_to_;
  }
  Result<void> mark_in_use();
  Result<void> write_small_file(const char* name, const std::string& content);
  std::string read_small_file(const char* name) const;
  void empty_temporary();

  OwnedDescriptor directory_;
  OwnedDescriptor bodies_;
  OwnedDescriptor temporary_;
  std::atomic<std::uint64_t> next_temporary_{1};
  std::string boot_id_;
  std::int64_t verify_from_ = 0;
  std::int64_t verify_to_ = 0;
  std::mutex mark_mutex_;
  bool marked_ = false;           ///< guarded by mark_mutex_
  bool verify_is_stored_ = true;  ///< guarded by mark_mutex_
};

}  // namespace imapfs::store
