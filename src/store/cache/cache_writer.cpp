#include "store/cache/cache_writer.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::store {
namespace {

constexpr std::uint64_t memory_page = 4096;

Result<OwnedDescriptor> make_memory_file() {
  OwnedDescriptor file(::memfd_create("imapfs-body", MFD_CLOEXEC));
  if (!file) return fail(system_error(errno, "create a body in memory"));
  return file;
}

}  // namespace

bool MemoryBudget::try_take(std::uint64_t bytes) {
  std::uint64_t used = used_;
  do {
    if (bytes > limit_ || used > limit_ - bytes) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

bool MemoryBudget::has_room_for(std::uint64_t bytes) const {
  const std::uint64_t used = used_;
  return used < limit_ && bytes <= limit_ - used;
}

CacheWriter::CacheWriter(std::shared_ptr<WriterHost> host, HashedKey key, OwnedDescriptor descriptor)
    : host_(std::move(host)), key_(key), descriptor_(std::move(descriptor)) {}

std::unique_ptr<CacheWriter> CacheWriter::on_disk(std::shared_ptr<WriterHost> host, HashedKey key,
                                                  std::shared_ptr<CacheDisk> disk, CacheDisk::Temporary temporary) {
  std::unique_ptr<CacheWriter> writer(new CacheWriter(std::move(host), key, std::move(temporary.descriptor)));
  writer->disk_ = std::move(disk);
  writer->temporary_ = std::move(temporary.name);
  writer->cached_ = true;
  return writer;
}

Result<std::unique_ptr<CacheWriter>> CacheWriter::in_memory(std::shared_ptr<WriterHost> host, HashedKey key) {
  auto file = make_memory_file();
  if (!file) return fail(std::move(file).error());
  return std::unique_ptr<CacheWriter>(new CacheWriter(std::move(host), key, std::move(*file)));
}

CacheWriter::~CacheWriter() {
  leave_disk();
  host_->memory().give_back(memory_taken_);
}

void CacheWriter::leave_disk() {
  cached_ = false;
  if (disk_ && !temporary_.empty()) disk_->remove_temporary(temporary_);
  temporary_.clear();
}

Result<void> CacheWriter::write_at(std::uint64_t offset, std::span<const char> bytes) {
  if (committed_) return fail(EBADF, "write to a finished body");
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > largest || bytes.size() > largest - offset) return fail(EFBIG, "body too large");
  if (disk_) {
    auto written = write_all(descriptor_.get(), static_cast<off_t>(offset), bytes);
    if (written) {
      note_written(offset, bytes);
      return {};
    }
    host_->disk_failed(written.error());
    auto moved = move_to_memory();
    if (!moved) return moved;
  }
  return write_to_memory(descriptor_.get(), offset, bytes);
}

Result<void> CacheWriter::write_to_memory(int descriptor, std::uint64_t offset, std::span<const char> bytes) {
  // Memory is used in pages: one more may be touched at each end.
  const std::uint64_t reserved = (bytes.size() / memory_page + 2) * memory_page;
  if (!host_->memory().try_take(reserved)) {
    return fail(ENOSPC, Scope::request, Retry::later,
                "the disk cannot take bodies, and the memory for them is used up");
  }
  memory_taken_ += reserved;
  auto written = write_all(descriptor, static_cast<off_t>(offset), bytes);
  struct stat status {};
  if (::fstat(descriptor, &status) == 0) {
    const auto actual = static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (actual < memory_taken_) {
      host_->memory().give_back(memory_taken_ - actual);
      memory_taken_ = actual;
    }
  }
  return written;
}

Result<void> CacheWriter::copy_segment(int target, std::uint64_t begin, std::uint64_t end) {
  std::vector<char> buffer(64 * 1024);
  while (begin < end) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - begin));
    const ssize_t got = ::pread(descriptor_.get(), buffer.data(), wanted, static_cast<off_t>(begin));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(system_error(got < 0 ? errno : EIO, "read back a body"));
    auto written = write_to_memory(target, begin, std::span(buffer.data(), static_cast<std::size_t>(got)));
    if (!written) return written;
    begin += static_cast<std::uint64_t>(got);
  }
  return {};
}

/// Copies what was written so far to memory and gives the memory file the old descriptor number: dup3 switches all
/// readers at once.
Result<void> CacheWriter::move_to_memory() {
  auto memory = make_memory_file();
  if (!memory) return fail(std::move(memory).error());
  off_t position = 0;
  while (true) {
    const off_t begin = ::lseek(descriptor_.get(), position, SEEK_DATA);
    if (begin < 0) break;  // ENXIO: no data beyond
    const off_t end = ::lseek(descriptor_.get(), begin, SEEK_HOLE);
    if (end <= begin) break;
    auto copied = copy_segment(memory->get(), static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end));
    if (!copied) {
      host_->memory().give_back(std::exchange(memory_taken_, 0));
      return copied;
    }
    position = end;
  }
  if (::dup3(memory->get(), descriptor_.get(), O_CLOEXEC) < 0)
    return fail(system_error(errno, "move a body to memory"));
  leave_disk();
  disk_.reset();
  return {};
}

void CacheWriter::note_written(std::uint64_t offset, std::span<const char> bytes) {
  if (bytes.empty()) return;
  if (!in_order_ || offset != written_in_order_) {
    in_order_ = false;
    return;
  }
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  checksum_ = static_cast<std::uint32_t>(crc32_z(checksum_, data, bytes.size()));
  written_in_order_ += bytes.size();
}

/// Gives the file its length and returns its checksum.
Result<std::uint32_t> CacheWriter::finish_file(std::uint64_t length) {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) return fail(system_error(errno, "measure body"));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < length) return fail(EINVAL, "{} of {} bytes were written", size, length);
  if (size > length && ::ftruncate(descriptor_.get(), static_cast<off_t>(length)) != 0) {
    return fail(system_error(errno, "cut body to its length"));
  }
  if (in_order_ && written_in_order_ == length) return checksum_;
  return checksum_of(descriptor_.get(), length);
}

void CacheWriter::commit(std::uint64_t length) {
  if (committed_) return;
  committed_ = true;
  if (!disk_) return;
  StoredBody body;
  body.key = key_;
  body.length = length;
  auto checksum = finish_file(length);
  if (checksum) {
    body.checksum = *checksum;
    if (host_->publish(temporary_, body)) {
      temporary_.clear();
      return;
    }
  } else {
    telemetry::debug("store: body not cached: {}", checksum.error().what);
  }
  leave_disk();
}

}  // namespace imapfs::store
