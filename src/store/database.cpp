#include "store/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

constexpr int corrupt_errnum = EUCLEAN;
constexpr int newer_errnum = EPROTONOSUPPORT;
constexpr int busy_timeout_milliseconds = 1000;
/// Damaged files are kept for whoever wants to inspect them, but only a few of them if their content can be fetched
/// again.
constexpr int most_files_set_aside = 3;

std::string suspect_note(const std::string& path) { return path + ".suspect"; }

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// The numbers of the files that were set aside for this reason, ascending.
std::set<int> numbers_set_aside(const std::string& path, std::string_view kind) {
  const std::filesystem::path whole(path);
  const auto prefix = fmt::format("{}.{}-", whole.filename().string(), kind);
  std::set<int> numbers;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(whole.parent_path(), ignored)) {
    const auto name = entry.path().filename().string();
    int number = 0;
    const char* const end = name.data() + name.size();
    if (!name.starts_with(prefix)) continue;
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, number);
    if (parsed.ec == std::errc{} && parsed.ptr == end) numbers.insert(number);
  }
  return numbers;
}

Result<void> set_aside(const std::string& path, std::string_view kind, std::string_view reason, bool keep_all) {
  auto numbers = numbers_set_aside(path, kind);
  const std::string target = fmt::format("{}.{}-{}", path, kind, numbers.empty() ? 1 : *numbers.rbegin() + 1);
  for (; !keep_all && numbers.size() >= most_files_set_aside; numbers.erase(numbers.begin()))
    for (const char* suffix : {"", "-wal"})
      ::unlink(fmt::format("{}.{}-{}{}", path, kind, *numbers.begin(), suffix).c_str());
  if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT) {
    return fail(system_error(errno, fmt::format("set {} aside", telemetry::printable(path))));
  }
  // The log belongs to the renamed file: beside the new one, SQLite could replay it into that.
  if (::rename((path + "-wal").c_str(), (target + "-wal").c_str()) != 0) ::unlink((path + "-wal").c_str());
  ::unlink((path + "-shm").c_str());
  ::unlink(suspect_note(path).c_str());
  telemetry::warning("store: {} ({}); it was set aside as {} and a new one is built", telemetry::printable(path),
                     telemetry::printable(reason), telemetry::printable(target));
  return {};
}

/// Creates the file itself, so that it is private whatever the umask, and so that only a regular file of ours is
/// opened.
Result<void> prepare_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    const int errnum = errno;
    if (errnum == ELOOP || errnum == EISDIR || errnum == ENXIO) return fail(corrupt_errnum, "not a regular file");
    return fail(system_error(errnum, fmt::format("open {}", telemetry::printable(path))));
  }
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  ::close(descriptor);
  if (!regular) return fail(corrupt_errnum, "not a regular file");
  return {};
}

/// SQLite reads a cut-off last page as one of zeros. A file with a log may be in the middle of growing; the log repairs
/// it.
bool ends_within_a_page(const std::string& path, std::int64_t page_size) {
  struct stat file {};
  struct stat log {};
  if (::stat((path + "-wal").c_str(), &log) == 0 && log.st_size > 0) return false;
  return ::stat(path.c_str(), &file) == 0 && page_size > 0 && file.st_size > page_size && file.st_size % page_size != 0;
}

int errnum_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // The statements are fixed. So a schema that does not fit ("no such column") or data of the wrong kind is damage
    // too.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: return corrupt_errnum;
    case SQLITE_FULL: return ENOSPC;
    case SQLITE_READONLY: return EROFS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH: return EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EBUSY;
    case SQLITE_NOMEM: return ENOMEM;
    default: return EIO;
  }
}

/// SQL function row_checksum(…): CRC-32 over the values with their types. SQLite notices damage to the structure of its
/// pages; this notices damage to their content. The values are joined first, because zlib is several times as fast with
/// one long text as with its pieces.
void row_checksum(sqlite3_context* context, int count, sqlite3_value** values) {
  thread_local std::string row;
  row.clear();
  for (int index = 0; index < count; ++index) {
    sqlite3_value* value = values[index];
    const int type = sqlite3_value_type(value);
    if (type == SQLITE_INTEGER) {
      const sqlite3_int64 number = sqlite3_value_int64(value);
      char bytes[sizeof number];
      std::memcpy(bytes, &number, sizeof number);
      row.append(bytes, sizeof bytes);
      continue;
    }
    const auto* text = static_cast<const char*>(sqlite3_value_blob(value));
    const auto length = static_cast<unsigned>(sqlite3_value_bytes(value));
    row += {static_cast<char>(type), static_cast<char>(length), static_cast<char>(length >> 8)};
    if (length > 0) row.append(text, length);
  }
  const auto checksum = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(row.data()), row.size());
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(checksum));
}

}  // namespace

CorruptContent::CorruptContent(const char* what) : SQLite::Exception(what, SQLITE_CORRUPT) {}

CachedStatement::~CachedStatement() {
  statement_.tryReset();
  // sqlite3_clear_bindings cannot fail, but the wrapper may throw, and no exception may leave a destructor.
  try {
    statement_.clearBindings();
  } catch (const SQLite::Exception&) {
  }
}

int CachedStatement::run() {
  const int changed = statement_.exec();
  statement_.reset();
  return changed;
}

Database::Database(std::string path, int flags)
    : path_(std::move(path)), connection_(path_, flags, busy_timeout_milliseconds) {}

Database::~Database() { statements_.clear(); }

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const Schema& schema) {
  if (exists(suspect_note(path))) {
    auto moved = set_aside(path, "corrupt", "it was found damaged last time", schema.precious);
    if (!moved) return fail(std::move(moved).error());
  }
  auto first = open_once(path, schema);
  if (first) return first;
  if (first.error().errnum == corrupt_errnum) {
    auto moved = set_aside(path, "corrupt", first.error().what, schema.precious);
    if (!moved) return fail(std::move(moved).error());
  } else if (first.error().errnum == newer_errnum && !schema.precious) {
    auto moved = set_aside(path, "newer", first.error().what, false);
    if (!moved) return fail(std::move(moved).error());
  } else {
    return first;
  }
  return open_once(path, schema);
}

Result<std::unique_ptr<Database>> Database::open_once(const std::string& path, const Schema& schema) {
  auto prepared = prepare_file(path);
  if (!prepared) return fail(std::move(prepared).error());
  std::unique_ptr<Database> database;
  bool newer = false;
  auto opened = attempt([&] {
    database.reset(new Database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX));
    if (ends_within_a_page(path, database->connection_.execAndGet("PRAGMA page_size").getInt()))
      throw CorruptContent("cut off");
    database->configure();
    newer = database->connection_.execAndGet("PRAGMA user_version").getInt() >
            static_cast<int>(schema.migrations.size());
    const int application = database->connection_.execAndGet("PRAGMA application_id").getInt();
    const bool fresh = database->connection_.execAndGet("SELECT count(*) FROM sqlite_schema").getInt() == 0;
    if (!fresh && application != schema.application_id) throw CorruptContent("not a file of this program");
    if (!newer) database->migrate(schema);
  });
  if (!opened) return fail(std::move(opened).error());
  if (newer) return fail(newer_errnum, "it was written by a newer version of imapfs");
  return database;
}

void Database::configure() {
  execute("PRAGMA locking_mode=EXCLUSIVE");
  execute("PRAGMA journal_mode=WAL");
  // A power cut may lose the last transactions, never the file; lost content is fetched again.
  execute("PRAGMA synchronous=NORMAL");
  execute("PRAGMA journal_size_limit=16777216");
  execute("PRAGMA cache_size=-8192");
  execute("PRAGMA temp_store=MEMORY");
  // Damaged schema text must not call functions or write to the schema.
  execute("PRAGMA trusted_schema=OFF");
  sqlite3_db_config(connection_.getHandle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  connection_.createFunction("row_checksum", -1, true, nullptr, &row_checksum);
}

void Database::migrate(const Schema& schema) {
  const int target = static_cast<int>(schema.migrations.size());
  in_transaction([&] {
    const int current = connection_.execAndGet("PRAGMA user_version").getInt();
    if (current < 0) throw CorruptContent("impossible version");
    if (current == target) return;
    for (int version = current; version < target; ++version)
      execute(schema.migrations[static_cast<std::size_t>(version)]);
    execute(fmt::format("PRAGMA application_id={}", schema.application_id));
    execute(fmt::format("PRAGMA user_version={}", target));
  });
}

CachedStatement Database::statement(std::string_view sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    auto prepared = std::make_unique<SQLite::Statement>(connection_, std::string(sql));
    found = statements_.emplace(std::string(sql), std::move(prepared)).first;
  }
  return CachedStatement(*found->second);
}

void Database::execute(const std::string& sql) { connection_.exec(sql); }

void Database::in_transaction(const std::function<void()>& work) {
  SQLite::Transaction transaction(connection_, SQLite::TransactionBehavior::IMMEDIATE);
  work();
  transaction.commit();
  ++telemetry::counters().store_transactions;
}

std::uint64_t Database::bytes_on_disk() const {
  std::uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    struct stat status {};
    if (::stat((path_ + suffix).c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

Result<void> Database::attempt(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const SQLite::Exception& exception) {
    return fail(error_from(exception));
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM, "out of memory");
  }
}

Error Database::error_from(const SQLite::Exception& exception) {
  return Error{errnum_of(exception.getErrorCode()), Scope::request, Retry::never,
               telemetry::printable(exception.what())};
}

void Database::mark_corrupt(const std::string& path) {
  const int descriptor = ::open(suspect_note(path).c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace imapfs::store
