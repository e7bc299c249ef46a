#pragma once
// The journal's SQLite file: opened, read through once, and set aside when it is damaged.
//
// Errors name the file. A damaged file is set aside at the next open: what is in it may be of use to somebody, and to
// go on writing into it would not be. One thread at a time: the journal's mutex guards it.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "store/database.hpp"

namespace imapfs::store {

class JournalDatabase {
 public:
  static Result<std::unique_ptr<JournalDatabase>> open(const std::string& path);
  /// Whether a journal of this directory was set aside once: ids in it are not known.
  static bool was_set_aside(const std::string& directory);

  /// Runs `work`.
  Result<void> attempt(const char* activity, const std::function<void()>& work);
  /// Runs `work` in one transaction.
  Result<void> transaction(const char* activity, const std::function<void()>& work);

  /// For `work` alone: it throws as Database does.
  [[nodiscard]] Database& rows() { return *database_; }
  [[nodiscard]] CachedStatement statement(std::string_view sql) { return database_->statement(sql); }
  /// The highest id that a row of the table ever had.
  [[nodiscard]] std::uint64_t highest_id(const char* table);

  /// fdatasync of what has been committed. Any thread.
  Result<void> sync() const;

 private:
  explicit JournalDatabase(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  std::unique_ptr<Database> database_;
};

}  // namespace imapfs::store
