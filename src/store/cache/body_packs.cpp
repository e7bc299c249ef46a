#include "store/cache/body_packs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/cache/body_files.hpp"

namespace imapfs::store {
namespace {

/// The most records of a list that are written or read.
constexpr std::uint32_t most_records = 1 << 16;
/// "imapfs" and the version of this format.
constexpr std::uint64_t record_mark = 0x0001'7366'7061'6d69ULL;

/// A record on disk, in the machine's byte order: a cache does not move to other machines. All zeros for a removed
/// body.
struct Record {
  std::uint64_t mark = 0;
  std::uint64_t mailbox = 0;
  std::uint32_t uid_validity = 0;
  std::uint32_t uid = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::int64_t written = 0;  ///< nanoseconds since 1970: when it was written or last found intact
  std::uint32_t body_checksum = 0;
  std::uint32_t own_checksum = 0;  ///< of the fields before

  static Record of(const StoredBody& body, std::int64_t written);
  [[nodiscard]] std::uint32_t checksum() const;
  [[nodiscard]] StoredBody body(PackNumber pack, std::uint32_t place) const;
};
static_assert(std::is_trivially_copyable_v<Record> && std::has_unique_object_representations_v<Record>);

Record Record::of(const StoredBody& body, std::int64_t written) {
  Record record{record_mark,  body.key.mailbox, body.key.uid_validity,
                body.key.uid, body.offset,      body.length,
                written,      body.checksum,    0};
  record.own_checksum = record.checksum();
  return record;
}

std::uint32_t Record::checksum() const {
  return checksum_of({reinterpret_cast<const char*>(this), offsetof(Record, own_checksum)});
}

StoredBody Record::body(PackNumber pack, std::uint32_t place) const {
  StoredBody body;
  body.key = {mailbox, uid_validity, uid};
  body.length = length;
  body.checksum = body_checksum;
  body.pack = pack;
  body.offset = offset;
  body.record = place;
  return body;
}

std::span<const char> bytes_of(const Record& record) { return {reinterpret_cast<const char*>(&record), sizeof record}; }
off_t place_of(std::uint32_t record) { return static_cast<off_t>(record) * static_cast<off_t>(sizeof(Record)); }

std::string contents_name(PackNumber pack) { return fmt::format("{:x}", pack); }
std::string list_name(PackNumber pack) { return fmt::format("{:x}.list", pack); }

/// Parses the name of either file of a pack.
std::optional<PackNumber> parse_name(std::string_view name) {
  PackNumber pack = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pack, 16);
  if (error != std::errc{} || pack == 0 || (name != contents_name(pack) && name != list_name(pack)))
    return std::nullopt;
  return pack;
}

std::optional<struct stat> status_of(int folder, const std::string& name) {
  struct stat status {};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
    return std::nullopt;
  return status;
}

}  // namespace

BodyPacks::BodyPacks(OwnedDescriptor folder, std::uint64_t pack_bytes)
    : folder_(std::move(folder)), pack_bytes_(pack_bytes) {
  for (const auto pack : numbers()) first_own_ = std::max(first_own_, pack + 1);
  next_number_ = first_own_;
}

std::vector<PackNumber> BodyPacks::numbers() const {
  std::vector<PackNumber> found;
  for_each_entry(folder_.get(), [&](const std::string& name) {
    if (const auto pack = parse_name(name)) found.push_back(*pack);
  });
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// -- writing --

Result<void> BodyPacks::begin_pack() {
  writing_ = Writing();
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const auto number = next_number_++;
  OwnedDescriptor contents(::openat(folder_.get(), contents_name(number).c_str(), flags, 0600));
  if (!contents) return fail(system_error(errno, "create a pack of bodies"));
  OwnedDescriptor list(::openat(folder_.get(), list_name(number).c_str(), flags, 0600));
  if (!list) return fail(system_error(errno, "create the list of a pack"));
  writing_ = {number, std::move(contents), std::move(list), 0, 0};
  return {};
}

Result<void> BodyPacks::append(StoredBody& body, std::span<const char> bytes) {
  const std::lock_guard guard(writing_mutex_);
  if (!writing_.list || writing_.end >= pack_bytes_ || writing_.records >= most_records) IMAPFS_TRY(begin_pack());
  body.pack = writing_.number;
  body.offset = writing_.end;
  body.record = writing_.records;
  IMAPFS_TRY(write_all(writing_.contents.get(), static_cast<off_t>(body.offset), bytes));
  const auto record = Record::of(body, nanoseconds_now());
  IMAPFS_TRY(write_all(writing_.list.get(), place_of(body.record), bytes_of(record)));
  writing_.end += bytes.size();
  ++writing_.records;
  return {};
}

// -- reading --

std::shared_ptr<const OwnedDescriptor> BodyPacks::open(PackNumber pack) {
  {
    const std::lock_guard guard(reading_mutex_);
    if (recent_.first == pack && recent_.second) return recent_.second;
    if (const auto found = open_.find(pack); found != open_.end()) {
      if (auto already = found->second.lock()) return already;
    }
  }
  auto opened = open_for_reading(folder_.get(), contents_name(pack));
  if (!opened) return nullptr;
  auto file = std::make_shared<const OwnedDescriptor>(std::move(opened));
  std::shared_ptr<const OwnedDescriptor> replaced;  // closed without the lock
  const std::lock_guard guard(reading_mutex_);
  auto& place = open_[pack];
  if (auto already = place.lock()) return already;
  place = file;
  replaced = std::exchange(recent_, {pack, file}).second;
  return file;
}

void BodyPacks::persist_use(PackNumber pack) const {
  ::utimensat(folder_.get(), list_name(pack).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void BodyPacks::persist_verified(const StoredBody& body) const {
  const auto record = Record::of(body, nanoseconds_now());
  if (const auto list = open_for_writing(list_name(body.pack)))
    (void)write_all(list.get(), place_of(body.record), bytes_of(record));
}

// -- removing --

OwnedDescriptor BodyPacks::open_for_writing(const std::string& name) const {
  return OwnedDescriptor(::openat(folder_.get(), name.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

void BodyPacks::remove(const StoredBody& body) {
  if (const auto list = open_for_writing(list_name(body.pack)))
    (void)write_all(list.get(), place_of(body.record), bytes_of(Record{}));
  {
    const std::lock_guard guard(reading_mutex_);
    removed_.push_back(body);
  }
  erase_bytes_nobody_reads();
}

/// A reader opens the pack first and then checks that the index still has the body (CachedBodies::open). A removal
/// takes the body out of the index first and then checks whether the pack is open. So at least one notices the other.
void BodyPacks::erase_bytes_nobody_reads() {
  std::vector<StoredBody> unread;
  {
    const std::lock_guard guard(reading_mutex_);
    recent_ = {};
    std::erase_if(removed_, [&](const StoredBody& body) {
      const auto found = open_.find(body.pack);
      if (found != open_.end() && !found->second.expired()) return false;
      unread.push_back(body);
      return true;
    });
  }
  for (const auto& body : unread) {
    if (body.length == 0) continue;
    // If the file system cannot punch holes, the bytes go with the pack.
    if (const auto contents = open_for_writing(contents_name(body.pack)))
      (void)::fallocate(contents.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(body.offset),
                        static_cast<off_t>(body.length));
  }
}

void BodyPacks::remove_pack(PackNumber pack) {
  {
    const std::lock_guard guard(writing_mutex_);
    if (writing_.number == pack) writing_ = Writing();
  }
  // The list goes first: contents without a list are removed at the next start.
  ::unlinkat(folder_.get(), list_name(pack).c_str(), 0);
  ::unlinkat(folder_.get(), contents_name(pack).c_str(), 0);
  const std::lock_guard guard(reading_mutex_);
  if (recent_.first == pack) recent_ = {};
  open_.erase(pack);
  std::erase_if(removed_, [&](const StoredBody& body) { return body.pack == pack; });
}

// -- what earlier processes left --

std::vector<StoredBody> BodyPacks::scan(const NeedsVerification& needs_verification) {
  std::vector<StoredBody> found;
  for_each_entry(folder_.get(), [&](const std::string& name) {
    if (!parse_name(name)) ::unlinkat(folder_.get(), name.c_str(), 0);
  });
  for (const auto pack : numbers()) {
    if (pack >= first_own_) continue;
    auto bodies = read_list(pack, needs_verification);
    if (bodies.empty()) remove_pack(pack);
    found.insert(found.end(), std::make_move_iterator(bodies.begin()), std::make_move_iterator(bodies.end()));
  }
  return found;
}

std::vector<StoredBody> BodyPacks::read_list(PackNumber pack, const NeedsVerification& needs_verification) const {
  const auto contents = status_of(folder_.get(), contents_name(pack));
  const auto list = status_of(folder_.get(), list_name(pack));
  const auto file = open_for_reading(folder_.get(), list_name(pack));
  if (!contents || !list || !file) return {};
  const auto size = static_cast<std::uint64_t>(contents->st_size);
  std::vector<Record> records(
      std::min<std::size_t>(static_cast<std::size_t>(list->st_size) / sizeof(Record), most_records));
  const ssize_t got = ::pread(file.get(), records.data(), records.size() * sizeof(Record), 0);
  records.resize(got < 0 ? 0 : static_cast<std::size_t>(got) / sizeof(Record));
  std::vector<StoredBody> bodies;
  for (std::uint32_t place = 0; place < records.size(); ++place) {
    const auto& record = records[place];
    if (record.mark != record_mark || record.own_checksum != record.checksum()) continue;
    if (record.offset > size || record.length > size - record.offset) continue;
    auto body = record.body(pack, place);
    body.last_used = nanoseconds(list->st_mtim);
    body.verified = !needs_verification(record.written);
    bodies.push_back(body);
  }
  return bodies;
}

}  // namespace imapfs::store
