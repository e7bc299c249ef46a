#include "store/cache/cache_disk.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

/// Opens `name` below `parent` as a directory of our own; creates it if necessary.
Result<OwnedDescriptor> open_folder(int parent, const char* name) {
  // An error of mkdir does not matter if the directory exists: the disk may be read-only.
  const int made = ::mkdirat(parent, name, 0700) == 0 ? 0 : errno;
  OwnedDescriptor folder(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder) return folder;
  const int opened = errno;
  return fail(system_error(opened == ENOENT && made != 0 ? made : opened, fmt::format("open cache folder {}", name)));
}

}  // namespace

CacheDisk::CacheDisk(Folders folders, std::uint64_t pack_bytes)
    : marks_(std::move(folders.directory)), bodies_(std::move(folders.bodies)),
      temporary_(std::move(folders.temporary)), packs_(std::move(folders.packs), pack_bytes) {}

Result<std::shared_ptr<CacheDisk>> CacheDisk::open(const std::string& directory, std::uint64_t pack_bytes) {
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
  std::shared_ptr<CacheDisk> disk(new CacheDisk(std::move(folders), pack_bytes));
  disk->empty_temporary();
  disk->marks_.read();
  return disk;
}

void CacheDisk::empty_temporary() {
  for_each_entry(temporary_.get(), [&](const std::string& name) { ::unlinkat(temporary_.get(), name.c_str(), 0); });
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
  auto marked = marks_.mark_in_use();
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
  IMAPFS_TRY(marks_.mark_in_use());
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
  else ::futimens(descriptor, nullptr);  // at the next start its change time shows that it was verified
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
    body->verified = !marks_.is_suspect(nanoseconds(status.st_ctim));
    found.bodies.push_back(*body);
  });
  return found;
}

std::vector<StoredBody> CacheDisk::scan_packs() {
  return packs_.scan([this](std::int64_t written) { return marks_.is_suspect(written); });
}

void CacheDisk::remove_damaged(std::size_t shard, const std::vector<std::string>& names) const {
  for (const auto& name : names) ::unlinkat(bodies_.get(), (shard_name(shard) + "/" + name).c_str(), 0);
}

void CacheDisk::close_cleanly() {
  packs_.erase_bytes_nobody_reads();
  marks_.mark_closed();
}

}  // namespace imapfs::store
