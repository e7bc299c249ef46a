#include "store/cache/cache_disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

constexpr const char* in_use_file = "in-use";
constexpr const char* closed_file = "closed";
constexpr const char* verify_file = "verify";
/// The kernel writes dirty pages out after half a minute, in laptop mode after up to ten.
constexpr std::int64_t longest_write_back = 600'000'000'000;

std::string read_all(int descriptor) {
  std::array<char, 256> buffer{};
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

/// Opens `name` below `parent` as a directory of our own, making it if need be.
Result<OwnedDescriptor> open_folder(int parent, const char* name) {
  // The error of mkdir does not matter as long as the directory is there: it may be on a read-only disk.
  const int made = ::mkdirat(parent, name, 0700) == 0 ? 0 : errno;
  OwnedDescriptor folder(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder) return folder;
  const int opened = errno;
  return fail(system_error(opened == ENOENT && made != 0 ? made : opened, fmt::format("open cache folder {}", name)));
}

}  // namespace

CacheDisk::CacheDisk(Folders folders, std::uint64_t pack_octets)
    : directory_(std::move(folders.directory)), bodies_(std::move(folders.bodies)),
      temporary_(std::move(folders.temporary)), packs_(std::move(folders.packs), pack_octets) {}

Result<std::shared_ptr<CacheDisk>> CacheDisk::open(const std::string& directory, std::uint64_t pack_octets) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST && errno != EROFS) {
    return fail(system_error(errno, fmt::format("create {}", telemetry::printable(directory))));
  }
  OwnedDescriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return fail(system_error(errno, fmt::format("open {}", telemetry::printable(directory))));
  auto bodies = open_folder(opened.get(), "bodies");
  if (!bodies) return fail(std::move(bodies).error().while_doing(telemetry::printable(directory)));
  auto temporary = open_folder(opened.get(), "tmp");
  if (!temporary) return fail(std::move(temporary).error().while_doing(telemetry::printable(directory)));
  auto packs = open_folder(opened.get(), "packs");
  if (!packs) return fail(std::move(packs).error().while_doing(telemetry::printable(directory)));
  Folders folders{std::move(opened), std::move(*bodies), std::move(*temporary), std::move(*packs)};
  std::shared_ptr<CacheDisk> disk(new CacheDisk(std::move(folders), pack_octets));
  disk->empty_temporary();
  disk->read_marks();
  return disk;
}

void CacheDisk::empty_temporary() {
  for_each_entry(temporary_.get(), [&](const std::string& name) { ::unlinkat(temporary_.get(), name.c_str(), 0); });
}

std::string CacheDisk::read_small_file(const char* name) const {
  OwnedDescriptor file(::openat(directory_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return file ? read_all(file.get()) : std::string();
}

Result<void> CacheDisk::write_small_file(const char* name, const std::string& content) {
  OwnedDescriptor file(::openat(directory_.get(), name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(system_error(errno, fmt::format("write {}", name)));
  const ssize_t written = ::write(file.get(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size()))
    return fail(system_error(written < 0 ? errno : ENOSPC, fmt::format("write {}", name)));
  return {};
}

void CacheDisk::read_marks() {
  OwnedDescriptor boot(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (boot) boot_id_ = read_all(boot.get());
  const std::string span = read_small_file(verify_file);
  const char* end = span.data() + span.size();
  const auto from = std::from_chars(span.data(), end, verify_from_);
  if (from.ptr != end) std::from_chars(from.ptr + 1, end, verify_to_);

  struct stat in_use {};
  struct stat closed {};
  const bool was_in_use = ::fstatat(directory_.get(), in_use_file, &in_use, AT_SYMLINK_NOFOLLOW) == 0;
  const bool was_closed = ::fstatat(directory_.get(), closed_file, &closed, AT_SYMLINK_NOFOLLOW) == 0;
  const std::string last_boot = was_in_use ? read_small_file(in_use_file) : read_small_file(closed_file);
  if ((was_in_use || was_closed) && (boot_id_.empty() || last_boot != boot_id_)) {
    const std::int64_t suspect_from = was_in_use ? 0 : nanoseconds(closed.st_mtim) - longest_write_back;
    // What an earlier stop left unverified stays so: one span covers both.
    verify_from_ = verify_to_ == 0 ? suspect_from : std::min(verify_from_, suspect_from);
    verify_to_ = nanoseconds_now();
    verify_is_stored_ = false;
    if (was_in_use)
      telemetry::info(
          "store: the machine stopped while the cache was in use; bodies are compared with their checksums");
  }
  // A disk that cannot be written to does no harm yet: publish() tries again.
  (void)mark_in_use();
}

Result<void> CacheDisk::mark_in_use() {
  std::lock_guard guard(mark_mutex_);
  if (marked_) return {};
  // In this order: while the old boot id stands, the next start comes to the same conclusion.
  if (!verify_is_stored_) {
    auto stored = write_small_file(verify_file, fmt::format("{} {}\n", verify_from_, verify_to_));
    if (!stored) return stored;
    verify_is_stored_ = true;
  }
  auto stored = write_small_file(in_use_file, boot_id_);
  if (!stored) return stored;
  marked_ = true;
  return {};
}

Result<CacheDisk::Temporary> CacheDisk::create_temporary() {
  Temporary temporary;
  temporary.name = std::to_string(next_temporary_++);
  temporary.descriptor = OwnedDescriptor(
      ::openat(temporary_.get(), temporary.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!temporary.descriptor) return fail(system_error(errno, "create a file for a body"));
  return temporary;
}

void CacheDisk::remove_temporary(const std::string& name) { ::unlinkat(temporary_.get(), name.c_str(), 0); }

Result<void> CacheDisk::publish(const std::string& temporary, const StoredBody& body) {
  auto marked = mark_in_use();
  if (!marked) return marked;
  const std::string path = body.path();
  const auto rename = [&] { return ::renameat(temporary_.get(), temporary.c_str(), bodies_.get(), path.c_str()) == 0; };
  bool renamed = rename();
  if (!renamed && errno == ENOENT) {
    ::mkdirat(bodies_.get(), shard_name(body.key.shard()).c_str(), 0700);
    renamed = rename();
  }
  if (!renamed) return fail(system_error(errno, "publish a body"));
  return {};
}

Result<void> CacheDisk::append(StoredBody& body, std::span<const char> bytes) {
  IMAPFS_TRY(mark_in_use());
  return packs_.append(body, bytes);
}

std::shared_ptr<const OwnedDescriptor> CacheDisk::open_body(const StoredBody& body) {
  if (body.pack != 0) return packs_.open(body.pack);
  auto file = open_for_reading(bodies_.get(), body.path());
  return file ? std::make_shared<const OwnedDescriptor>(std::move(file)) : nullptr;
}

void CacheDisk::persist_use(const StoredBody& body, int descriptor) const {
  if (body.pack != 0) packs_.persist_use(body.pack);
  else ::futimens(descriptor, nullptr);
}

void CacheDisk::persist_verified(const StoredBody& body, int descriptor) const {
  if (body.pack != 0) packs_.persist_verified(body);
  else ::futimens(descriptor, nullptr);  // its change time is what tells a verified file from others at the next start
}

void CacheDisk::remove(const StoredBody& body) {
  if (body.pack != 0) packs_.remove(body);
  else ::unlinkat(bodies_.get(), body.path().c_str(), 0);
}

void CacheDisk::remove(const std::vector<StoredBody>& bodies) {
  for (const auto& body : bodies) remove(body);
}

CacheDisk::Folder CacheDisk::scan(std::size_t shard) const {
  Folder found;
  OwnedDescriptor folder(
      ::openat(bodies_.get(), shard_name(shard).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return found;
  for_each_entry(folder.get(), [&](const std::string& name) {
    auto body = StoredBody::parse(name);
    struct stat status {};
    if (::fstatat(folder.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (!body || body->key.shard() != shard || !S_ISREG(status.st_mode) ||
        static_cast<std::uint64_t>(status.st_size) != body->length) {
      found.damaged.push_back(name);
      return;
    }
    body->last_used = nanoseconds(status.st_mtim);
    body->verified = !needs_verification(nanoseconds(status.st_ctim));
    found.bodies.push_back(*body);
  });
  return found;
}

std::vector<StoredBody> CacheDisk::scan_packs() {
  return packs_.scan([this](std::int64_t written) { return needs_verification(written); });
}

void CacheDisk::remove_damaged(std::size_t shard, const std::vector<std::string>& names) const {
  for (const auto& name : names) ::unlinkat(bodies_.get(), (shard_name(shard) + "/" + name).c_str(), 0);
}

void CacheDisk::close_cleanly() {
  packs_.erase_octets_nobody_reads();
  std::lock_guard guard(mark_mutex_);
  if (!marked_) return;
  // While `in-use` stands, it is what counts: a crash between the two steps errs on the safe side.
  if (write_small_file(closed_file, boot_id_)) ::unlinkat(directory_.get(), in_use_file, 0);
}

}  // namespace imapfs::store
