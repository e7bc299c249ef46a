#pragma once
// Which bytes of a body are present. Not thread-safe.

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>

namespace imapfs::sync {

/// The bytes from `begin` up to, but not including, `end`.
struct ByteSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  /// Cut at the largest offset if it would reach beyond.
  [[nodiscard]] static ByteSpan at(std::uint64_t offset, std::uint64_t length) {
    return {offset, offset + std::min(length, UINT64_MAX - offset)};
  }
  [[nodiscard]] std::uint64_t length() const { return end - begin; }
  [[nodiscard]] ByteSpan up_to(std::uint64_t limit) const { return {std::min(begin, limit), std::min(end, limit)}; }
  bool operator==(const ByteSpan&) const = default;
};

/// A set of bytes as disjoint spans that do not touch.
class ByteRanges {
 public:
  void add(ByteSpan span);
  void clear();
  [[nodiscard]] bool covers(ByteSpan span) const { return !first_gap(span); }
  /// The first run of absent bytes within `span`.
  [[nodiscard]] std::optional<ByteSpan> first_gap(ByteSpan span) const;
  /// The end of the present bytes before `offset`: the start of the gap that contains `offset`.
  [[nodiscard]] std::uint64_t gap_start(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return spans_.empty(); }

 private:
  std::map<std::uint64_t, std::uint64_t> spans_;  ///< end by begin
  std::uint64_t count_ = 0;
};

}  // namespace imapfs::sync
