#include "imapfs/model/types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace imapfs {
namespace {

struct NamedFlag {
  SystemFlag flag;
  std::string_view name;
};

/// In the order of to_string(), which leaves out \Recent: it belongs to the session, not to the message.
constexpr std::array<NamedFlag, 5> stored_flags = {{
    {SystemFlag::answered, "\\Answered"},
    {SystemFlag::deleted, "\\Deleted"},
    {SystemFlag::draft, "\\Draft"},
    {SystemFlag::flagged, "\\Flagged"},
    {SystemFlag::seen, "\\Seen"},
}};
constexpr std::string_view recent_name = "\\Recent";

/// Flag names compare in ASCII (RFC 9051 §2.3.2), whatever the locale.
constexpr unsigned char to_lower(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte >= 'A' && byte <= 'Z' ? static_cast<unsigned char>(byte + ('a' - 'A')) : byte;
}

bool less_without_case(std::string_view left, std::string_view right) {
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                      [](char a, char b) { return to_lower(a) < to_lower(b); });
}

bool equal_without_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return to_lower(a) == to_lower(b); });
}

std::optional<SystemFlag> system_flag(std::string_view name) {
  if (!name.starts_with('\\')) return std::nullopt;
  for (const auto& known : stored_flags) {
    if (equal_without_case(known.name, name)) return known.flag;
  }
  if (equal_without_case(recent_name, name)) return SystemFlag::recent;
  return std::nullopt;
}

}  // namespace

void FlagSet::add(std::string_view flag) {
  if (flag.empty()) return;
  if (const auto known = system_flag(flag)) return add(*known);
  const auto place = std::lower_bound(keywords_.begin(), keywords_.end(), flag, less_without_case);
  if (place != keywords_.end() && equal_without_case(*place, flag)) return;
  keywords_.emplace(place, flag);
}

void FlagSet::remove(std::string_view flag) {
  if (const auto known = system_flag(flag)) {
    system_ = static_cast<std::uint8_t>(system_ & ~static_cast<unsigned>(*known));
    return;
  }
  const auto place = std::lower_bound(keywords_.begin(), keywords_.end(), flag, less_without_case);
  if (place != keywords_.end() && equal_without_case(*place, flag)) keywords_.erase(place);
}

bool FlagSet::has(std::string_view flag) const {
  if (const auto known = system_flag(flag)) return has(*known);
  return std::binary_search(keywords_.begin(), keywords_.end(), flag, less_without_case);
}

std::string FlagSet::to_string() const {
  std::string text;
  const auto append = [&text](std::string_view word) {
    if (!text.empty()) text += ' ';
    text += word;
  };
  for (const auto& known : stored_flags) {
    if (has(known.flag)) append(known.name);
  }
  for (const auto& keyword : keywords_) append(keyword);
  return text;
}

FlagSet FlagSet::parse(std::string_view text) {
  constexpr std::string_view white_space = " \t\r\n\v\f";
  FlagSet flags;
  for (auto start = text.find_first_not_of(white_space); start != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(white_space, start), text.size());
    flags.add(text.substr(start, end - start));
    start = text.find_first_not_of(white_space, end);
  }
  return flags;
}

UidSet UidSet::range(Uid first, Uid last) {
  UidSet set;
  set.add(first, last);
  return set;
}

UidSet UidSet::of(std::vector<Uid> uids) {
  std::sort(uids.begin(), uids.end());
  UidSet set;
  for (const Uid uid : uids) set.add(uid, uid);
  return set;
}

void UidSet::add(Uid first, Uid last) {
  // RFC 9051 §9: "4:2" means "2:4". 0 is no UID.
  Range range{std::min(first.value, last.value), std::max(first.value, last.value)};
  if (range.last == 0) return;
  range.first = std::max(range.first, 1u);
  // Merges neighbours too: the first affected range is the first that ends at or after the number before `first`.
  const auto begin = std::lower_bound(ranges_.begin(), ranges_.end(), range.first - 1,
                                      [](const Range& known, std::uint32_t uid) { return known.last < uid; });
  auto end = begin;
  for (; end != ranges_.end() && (range.last == UINT32_MAX || end->first <= range.last + 1); ++end) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
  }
  if (begin == end) {
    ranges_.insert(begin, range);
  } else {
    *begin = range;
    ranges_.erase(std::next(begin), end);
  }
}

bool UidSet::contains(Uid uid) const {
  const auto place = std::lower_bound(ranges_.begin(), ranges_.end(), uid.value,
                                      [](const Range& known, std::uint32_t value) { return known.last < value; });
  return place != ranges_.end() && place->first <= uid.value;
}

std::uint64_t UidSet::count() const {
  std::uint64_t total = 0;
  for (const auto& range : ranges_) total += std::uint64_t{range.last} - range.first + 1;
  return total;
}

std::string UidSet::to_string() const {
  std::string text;
  for (const auto& range : ranges_) {
    if (!text.empty()) text += ',';
    fmt::format_to(std::back_inserter(text), "{}", range.first);
    if (range.last != range.first) fmt::format_to(std::back_inserter(text), ":{}", range.last);
  }
  return text;
}

}  // namespace imapfs
