#pragma once
// Which bodies the last stop of the machine may have torn. Kept in three small files of the cache directory:
//
//   in-use   the machine's boot id while a process uses the cache; removed on a clean close
//   closed   the machine's boot id at the last clean close
//   verify   "FROM TO", nanoseconds since 1970: files last changed in this span are compared with their checksum once
//
// Bodies are never synced, so after a stop of the machine the disk may have the name of a recently written body but not
// its content. If `in-use` has another boot id, every body is suspect; if `closed` has, those changed shortly before
// the close. Errors name the file. Any thread, after read().

#include <cstdint>
#include <mutex>
#include <string>

#include "imapfs/base/result.hpp"
#include "store/cache/body_files.hpp"

namespace imapfs::store {

class CacheMarks {
 public:
  explicit CacheMarks(OwnedDescriptor directory);

  /// Call it first: finds out what is suspect, and marks the cache as in use if the disk is writable.
  void read();
  /// Whether a body changed at this time must be compared with its checksum.
  [[nodiscard]] bool is_suspect(std::int64_t changed) const { return changed > verify_from_ && changed <= verify_to_; }
  /// Call it before a body is written.
  Result<void> mark_in_use();
  /// Nothing may be written afterwards.
  void mark_closed();

 private:
  void judge_last_stop();

  OwnedDescriptor directory_;
  std::string boot_id_;
  std::int64_t verify_from_ = 0;
  std::int64_t verify_to_ = 0;
  std::mutex mutex_;              ///< held over disk I/O
  bool marked_ = false;           ///< guarded by mutex_
  bool verify_is_stored_ = true;  ///< guarded by mutex_
};

}  // namespace imapfs::store
