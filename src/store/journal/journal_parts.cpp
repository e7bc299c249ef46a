#include "store/journal/journal_parts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {
namespace {

/// 2024-01-01. The seconds since then fit into the 32 bits of a node id for a staged file.
constexpr UnixTime epoch_of_ids = 1'704'067'200;

/// Ids of a journal that was set aside must not be used again. It gave out less than one per second.
std::uint64_t least_id(const std::string& directory) {
  if (!JournalDatabase::was_set_aside(directory)) return 0;
  return static_cast<std::uint64_t>(std::max<UnixTime>(std::time(nullptr) - epoch_of_ids, 0));
}

/// The files' existence must be as durable as their content.
Result<void> sync_directory(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return fail(system_error(errno, fmt::format("open {}", telemetry::printable(path))));
  const int errnum = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (errnum != 0) return fail(system_error(errnum, fmt::format("sync {}", telemetry::printable(path))));
  return {};
}

}  // namespace

Result<std::unique_ptr<JournalParts>> JournalParts::open(AccountDirectory directory) {
  auto contents = IMAPFS_TRY(StagingDirectory::open(directory.path + "/staging"));
  auto database = IMAPFS_TRY(JournalDatabase::open(fmt::format("{}/{}", directory.path, journal_file_name)));
  IMAPFS_TRY(sync_directory(directory.path));
  auto parts = std::make_unique<JournalParts>(std::move(directory), std::move(database), std::move(contents));
  const auto least = least_id(parts->directory.path);
  IMAPFS_TRY(parts->changes.take_up(least));
  IMAPFS_TRY(parts->staged.take_up(least));
  return parts;
}

}  // namespace imapfs::store
