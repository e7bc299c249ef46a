#include "sync/changes/upload_source.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {
namespace {

constexpr std::size_t upload_block = 64 * 1024;

}  // namespace

StagedSource::StagedSource(int descriptor, std::string path, std::uint64_t size)
    : descriptor_(descriptor), path_(std::move(path)), size_(size) {}

StagedSource::~StagedSource() { ::close(descriptor_); }

Result<std::unique_ptr<StagedSource>> StagedSource::open(const std::string& path, std::uint64_t size) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return fail(system_error(errno, path));
  return std::unique_ptr<StagedSource>(new StagedSource(descriptor, path, size));
}

Result<void> StagedSource::fill() {
  raw_.resize(upload_block);
  taken_ = 0;
  ssize_t got = 0;
  do got = ::read(descriptor_, raw_.data(), raw_.size());
  while (got < 0 && errno == EINTR);
  if (got < 0) {
    const int error = errno;
    raw_.clear();
    return fail(system_error(error, path_));
  }
  raw_.resize(static_cast<std::size_t>(got));
  at_end_ = got == 0;
  return {};
}

Result<std::size_t> StagedSource::read(std::span<char> buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    if (taken_ == raw_.size() && !at_end_) IMAPFS_TRY(fill());
    if (at_end_) break;
    std::size_t consumed = 0;
    filled += line_ends_.convert(std::span(raw_).subspan(taken_), consumed, buffer.subspan(filled));
    taken_ += consumed;
  }
  given_ += filled;
  // The server has been promised so many bytes, and would take what comes after them for a command.
  if (given_ > size_ || (filled == 0 && given_ != size_ && size_ != any_size))
    return fail(EIO, "{} is not as long as it was", telemetry::printable(path_));
  return filled;
}

std::string staged_header(const std::string& path) {
  std::string header;
  auto source = StagedSource::open(path, StagedSource::any_size);
  if (!source) return header;
  header.resize(upload_block);
  std::size_t length = 0;
  while (length < header.size()) {
    const auto got = (*source)->read(std::span(header).subspan(length));
    if (!got || *got == 0) break;
    length += *got;
  }
  header.resize(length);
  if (header.starts_with("\r\n")) return {};
  if (const auto end = header.find("\r\n\r\n"); end != std::string::npos) header.resize(end + 2);
  return header;
}

}  // namespace imapfs::sync
