#include "sync/bodies/byte_ranges.hpp"

#include <algorithm>
#include <iterator>

namespace imapfs::sync {

void ByteRanges::add(ByteSpan span) {
  if (span.begin >= span.end) return;
  auto next = spans_.upper_bound(span.begin);
  if (next != spans_.begin() && std::prev(next)->second >= span.begin) --next;
  while (next != spans_.end() && next->first <= span.end) {
    span.begin = std::min(span.begin, next->first);
    span.end = std::max(span.end, next->second);
    count_ -= next->second - next->first;
    next = spans_.erase(next);
  }
  spans_.emplace_hint(next, span.begin, span.end);
  count_ += span.length();
}

void ByteRanges::clear() {
  spans_.clear();
  count_ = 0;
}

std::optional<ByteSpan> ByteRanges::first_gap(ByteSpan span) const {
  auto next = spans_.upper_bound(span.begin);
  if (next != spans_.begin()) span.begin = std::max(span.begin, std::prev(next)->second);
  if (span.begin >= span.end) return std::nullopt;
  if (next != spans_.end()) span.end = std::min(span.end, next->first);
  return span;
}

std::uint64_t ByteRanges::gap_start(std::uint64_t offset) const {
  const auto next = spans_.upper_bound(offset);
  return next == spans_.begin() ? 0 : std::min(offset, std::prev(next)->second);
}

}  // namespace imapfs::sync
