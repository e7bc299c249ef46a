#pragma once
// One SQLite file: opening, migrations, cached statements, and what to do with a damaged or newer file.
//
// Guarantees: only this process opens the file, in WAL mode (locking_mode=EXCLUSIVE: the account directory is locked
// anyway, and without the shared-memory file a full disk cannot raise SIGBUS). It has the schema's application_id and
// user_version; all migrations have been applied, in one transaction. A damaged file, or one of another program, is
// renamed to <file>.corrupt-N, a file with a newer user_version to <file>.newer-N (with its -wal beside it), and an
// empty one is made. N is higher than all existing ones, and the last three of each kind are kept. For a precious
// schema all are kept, and a newer file is refused (EPROTONOSUPPORT). Damage is found cheaply: SQLite checks the
// header, the length and each page it uses; nobody checks the whole file. mark_corrupt() remembers damage that is found
// later in <file>.suspect, and the next open() sets the file aside. Errors: open() returns a Result; everything else
// throws SQLite::Exception, which attempt() catches. error_from() maps codes to errno: SQLITE_FULL is ENOSPC,
// SQLITE_CORRUPT and SQLITE_NOTADB are EUCLEAN. Threads: one at a time; the owner locks. A statement must not outlive
// the Database.

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"

namespace imapfs::store {

/// SQLite's integers are signed.
inline std::int64_t as_signed(std::uint64_t number) { return static_cast<std::int64_t>(number); }
inline std::uint64_t as_unsigned(std::int64_t number) { return static_cast<std::uint64_t>(number); }

/// What a file must contain. migrations[n] brings user_version n to n + 1.
struct Schema {
  std::int32_t application_id = 0;
  std::vector<std::string> migrations;
  /// Its content exists nowhere else: a newer file is refused, and every damaged one is kept.
  bool precious = false;
};

/// A prepared statement borrowed from the Database's cache. Returning it resets it and clears its bindings, so that no
/// read transaction stays open after an exception.
class CachedStatement {
 public:
  explicit CachedStatement(SQLite::Statement& statement) : statement_(statement) {}
  ~CachedStatement();
  CachedStatement(const CachedStatement&) = delete;
  CachedStatement& operator=(const CachedStatement&) = delete;
  SQLite::Statement* operator->() { return &statement_; }
  SQLite::Statement& operator*() { return statement_; }
  /// Runs a statement without rows and prepares it for the next bindings; returns the number of rows changed.
  int run();

 private:
  SQLite::Statement& statement_;
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::string& path, const Schema& schema);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// The statement for this text, prepared once. It must not be borrowed twice at a time.
  [[nodiscard]] CachedStatement statement(std::string_view sql);
  void execute(const std::string& sql);
  /// Runs `work` in one BEGIN IMMEDIATE … COMMIT; an exception rolls back.
  void in_transaction(const std::function<void()>& work);
  /// Bytes of the file and its write-ahead log.
  [[nodiscard]] std::uint64_t bytes_on_disk() const;
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Runs `work` and turns SQLite's exceptions into an Error.
  static Result<void> attempt(const std::function<void()>& work);
  static Error error_from(const SQLite::Exception& exception);
  /// Leaves a note so that the next open() sets the file aside.
  static void mark_corrupt(const std::string& path);

 private:
  Database(std::string path, int flags);
  void configure();
  void migrate(const Schema& schema);
  static Result<std::unique_ptr<Database>> open_once(const std::string& path, const Schema& schema);

  std::string path_;
  SQLite::Database connection_;
  std::map<std::string, std::unique_ptr<SQLite::Statement>, std::less<>> statements_;
};

/// Thrown for content that SQLite accepts but that is not what was written.
class CorruptContent : public SQLite::Exception {
 public:
  explicit CorruptContent(const char* what);
};

}  // namespace imapfs::store
