#pragma once
// The bytes of one staged file: an open file in the journal's staging directory.
//
// The file may lose its name (after the upload the journal removes it); its bytes live as long as this object. Errors
// are those of the system calls, with the path. Used by the thread "staging"; not thread-safe.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "imapfs/base/result.hpp"
#include "vfs/staging/written_ranges.hpp"

namespace imapfs::vfs {

class StagedContent {
 public:
  /// The file must exist; what is in it counts as written.
  static Result<std::shared_ptr<StagedContent>> open(const std::string& path);
  ~StagedContent();
  StagedContent(const StagedContent&) = delete;
  StagedContent& operator=(const StagedContent&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// The first byte that nobody has written: room was made for it, or something was written behind it.
  [[nodiscard]] std::optional<std::uint64_t> first_hole() const { return written_.first_hole(size_); }
  /// For who closes a file with holes and opens it again.
  [[nodiscard]] const WrittenRanges& written() const { return written_; }
  void set_written(WrittenRanges written) { written_ = std::move(written); }
  /// Shorter only at the end.
  [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::size_t size) const;
  Result<void> write(std::uint64_t offset, std::string_view data);
  /// From another open file.
  Result<void> write_from(int source, std::uint64_t source_offset, std::size_t length, std::uint64_t offset);
  Result<void> truncate(std::uint64_t size);
  /// Makes room for `length` bytes at `offset`; the file grows if they reach beyond its end.
  Result<void> allocate(std::uint64_t offset, std::uint64_t length);
  /// Replaces everything by what `other` holds.
  Result<void> copy_from(const StagedContent& other);
  /// fdatasync(2)
  Result<void> sync();

 private:
  StagedContent(int descriptor, std::uint64_t size, std::string path)
      : descriptor_(descriptor), size_(size), written_(size), path_(std::move(path)) {}

  const int descriptor_;
  std::uint64_t size_;
  WrittenRanges written_;
  const std::string path_;
};

}  // namespace imapfs::vfs
