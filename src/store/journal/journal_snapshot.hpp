#pragma once
// A copy of the journal that another running mount has locked; the copy is removed with this object.
//
// EBUSY if the journal is written to all the time, EUCLEAN if the copy is torn or damaged. One thread.

#include <memory>
#include <string>

#include <SQLiteCpp/SQLiteCpp.h>

#include "imapfs/base/result.hpp"

namespace imapfs::store {

class JournalSnapshot {
 public:
  /// Copies the database `original` into `directory`.
  static Result<std::unique_ptr<JournalSnapshot>> take(const std::string& original, const std::string& directory);
  ~JournalSnapshot();
  JournalSnapshot(const JournalSnapshot&) = delete;
  JournalSnapshot& operator=(const JournalSnapshot&) = delete;

  [[nodiscard]] SQLite::Database& rows() { return *copy_; }

 private:
  explicit JournalSnapshot(std::string path) : path_(std::move(path)) {}
  Result<void> copy(const std::string& original);
  Result<void> open();
  void remove() const;

  const std::string path_;
  std::unique_ptr<SQLite::Database> copy_;
};

}  // namespace imapfs::store
