#pragma once
// Which bodies the last stop of the machine may have torn, kept in three small files of the cache directory:
//
//   in-use   the machine's boot id while a process uses the cache; removed on a clean close
//   closed   the machine's boot id at the last clean close
//   verify   "FROM TO", nanoseconds since 1970: files last changed in this span are compared with their checksum once
//
// Bodies are never synced, so what was written in the minutes before the machine stopped may have its name on the disk
// but not its content. When `in-use` is found with another boot id, every body is suspect; when `closed` is, those
// changed shortly before the close. Errors name the file. Any thread, after read().

#include <cstdint>
#include <mutex>
#include <string>

#include "imapfs/base/result.hpp"
#include "store/cache/body_files.hpp"

namespace imapfs::store {

class CacheMarks {
 public:
  explicit CacheMarks(OwnedDescriptor directory);

  /// Before anything else: finds out what is suspect, and marks the cache as in use if the disk can be written to.
  void read();
  /// Whether a body that was changed at this time is to be compared with its checksum.
  [[nodiscard]] bool is_suspect(std::int64_t changed) const { return changed > verify_from_ && changed <= verify_to_; }
  /// To be called before a body is written.
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
