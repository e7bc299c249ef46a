#include "vfs/staging/written_ranges.hpp"

#include <algorithm>
#include <iterator>

namespace imapfs::vfs {

void WrittenRanges::add(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  auto begin = offset;
  auto end = offset + length;
  auto next = ends_.upper_bound(begin);
  if (next != ends_.begin() && std::prev(next)->second >= begin) --next;
  while (next != ends_.end() && next->first <= end) {
    begin = std::min(begin, next->first);
    end = std::max(end, next->second);
    next = ends_.erase(next);
  }
  ends_[begin] = end;
}

void WrittenRanges::cut(std::uint64_t size) {
  ends_.erase(ends_.lower_bound(size), ends_.end());
  if (!ends_.empty()) ends_.rbegin()->second = std::min(ends_.rbegin()->second, size);
}

std::optional<std::uint64_t> WrittenRanges::first_hole(std::uint64_t size) const {
  const auto first = ends_.begin();
  const auto written = first == ends_.end() || first->first != 0 ? 0 : first->second;
  if (written >= size) return std::nullopt;
  return written;
}

}  // namespace imapfs::vfs
