#pragma once
// How one Body has been read so far: whether its reader goes through it in order, and how much to fetch ahead.
//
// Pure bookkeeping; the owner locks.

#include <algorithm>
#include <bit>
#include <cstdint>

namespace imapfs::sync {

class ReadStream {
 public:
  void note(std::uint64_t offset, std::uint64_t length) {
    const bool continues = offset <= position_ + slack && position_ <= offset + slack;
    run_ = continues ? run_ + length : length;
    position_ = offset + length;
  }
  /// Where the last read ended.
  [[nodiscard]] std::uint64_t position() const { return position_; }
  /// How much to fetch at once; 0 if the reader is not sequential (yet).
  [[nodiscard]] std::uint64_t window() const {
    return run_ < smallest_window ? 0 : std::min(std::bit_floor(run_), largest_window);
  }

  static constexpr std::uint64_t smallest_window = 256 << 10;
  static constexpr std::uint64_t largest_window = 8 << 20;

 private:
  /// The kernel's read-ahead may ask slightly out of order.
  static constexpr std::uint64_t slack = 128 << 10;

  std::uint64_t position_ = 0;
  std::uint64_t run_ = 0;  ///< bytes read in sequence
};

}  // namespace imapfs::sync
