#pragma once
// Which bytes of a file somebody has written: restore tools write the parts of a file in any order, with room made
// before, and close it in between. A value; not thread-safe.

#include <cstdint>
#include <map>
#include <optional>

namespace imapfs::vfs {

class WrittenRanges {
 public:
  WrittenRanges() = default;
  /// All of a file of this size.
  explicit WrittenRanges(std::uint64_t size) { add(0, size); }

  void add(std::uint64_t offset, std::uint64_t length);
  /// The file is `size` bytes long from here on.
  void cut(std::uint64_t size);
  /// The first byte of a file of this size that nobody has written.
  [[nodiscard]] std::optional<std::uint64_t> first_hole(std::uint64_t size) const;

 private:
  std::map<std::uint64_t, std::uint64_t> ends_;  ///< by the first byte of each; apart from each other
};

}  // namespace imapfs::vfs
