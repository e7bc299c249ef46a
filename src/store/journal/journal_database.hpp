#pragma once
// The journal's SQLite file: opens it, reads it through once, and sets it aside if it is damaged.
//
// Errors name the file. A damaged file is set aside at the next open: its content may be useful to somebody, and must
// not be written to. One thread at a time: the journal's mutex guards it.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "store/database.hpp"

namespace imapfs::store {

class JournalDatabase {
 public:
  static Result<std::unique_ptr<JournalDatabase>> open(const std::string& path);
  /// Whether a journal of this directory was ever set aside: the ids in it are unknown.
  static bool was_set_aside(const std::string& directory);

  /// Runs `work`. A failure counts as a store error; damage marks the file to be set aside.
  Result<void> attempt(const char* activity, const std::function<void()>& work);
  Result<void> transaction(const char* activity, const std::function<void()>& work);

  /// For use inside `work` only: throws as Database does.
  [[nodiscard]] Database& rows() { return *database_; }
  [[nodiscard]] CachedStatement statement(std::string_view sql) { return database_->statement(sql); }
  /// The highest id that any row of the table ever had.
  [[nodiscard]] std::uint64_t highest_id(const char* table);

  /// fdatasync of what has been committed. Any thread.
  Result<void> sync() const;

 private:
  explicit JournalDatabase(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  std::unique_ptr<Database> database_;
};

}  // namespace imapfs::store
