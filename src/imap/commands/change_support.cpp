#include "imap/commands/change_support.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "imap/wire/response_values.hpp"

namespace imapfs::imap {
namespace {

/// Pairs take memory. For a command with more, the caller looks at the destination.
constexpr std::uint64_t max_pairs = 4'000'000;

/// The most news during a change: per message a few flag changes and its removal, and news of a growing mailbox.
constexpr std::uint64_t news_of_a_message = 4;
constexpr std::uint64_t news_of_a_mailbox = 100'000;

using Ranges = std::vector<UidSet::Range>;

/// "304,319:320" in the given order, because the sets of COPYUID correspond one to one. Nothing if a part is no UID, or
/// if it names more than `limit` UIDs.
std::optional<Ranges> parse_ordered_set(std::string_view text, std::uint64_t limit) {
  Ranges ranges;
  std::uint64_t count = 0;
  while (true) {
    const auto comma = std::min(text.find(','), text.size());
    const auto item = text.substr(0, comma);
    const auto colon = std::min(item.find(':'), item.size());
    const auto first = parse_nz_number(item.substr(0, colon));
    const auto last = colon == item.size() ? first : parse_nz_number(item.substr(colon + 1));
    if (!first || !last) return std::nullopt;
    ranges.push_back({std::min(*first, *last), std::max(*first, *last)});  // RFC 9051 §9: "4:2" is "2:4"
    count += std::uint64_t{ranges.back().last} - ranges.back().first + 1;
    if (count > limit) return std::nullopt;
    if (comma == text.size()) return ranges;
    text.remove_prefix(comma + 1);
  }
}

/// The UIDs one by one; parse_ordered_set() has limited their number.
std::vector<Uid> expanded(const Ranges& ranges) {
  std::vector<Uid> uids;
  for (const auto& range : ranges) {
    for (std::uint64_t uid = range.first; uid <= range.last; ++uid)
      uids.push_back(Uid{static_cast<std::uint32_t>(uid)});
  }
  return uids;
}

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

std::size_t digits(std::uint32_t number) {
  std::array<char, 10> text;
  return static_cast<std::size_t>(std::to_chars(text.data(), text.data() + text.size(), number).ptr - text.data());
}

}  // namespace

Error not_again_by_itself(Error error) {
  if (error.lost_connection()) error.retry = Retry::later;
  return error;
}

Error outcome_of_change(Error error, std::string_view command) {
  if (!error.lost_connection()) return error;
  // Scope account comes from a BYE about the account. The connection is lost all the same.
  error.scope = Scope::session;
  error.retry = Retry::later;
  return std::move(error).while_doing(fmt::format("{}: the outcome is unknown", command));
}

std::vector<UidSet> split_uid_set(const UidSet& uids, std::size_t max_bytes, std::uint64_t max_messages) {
  std::vector<UidSet> parts;
  std::size_t bytes = 0;
  std::uint64_t messages = 0;
  for (const auto& range : uids.ranges()) {
    std::uint64_t first = range.first;
    while (first <= range.last) {
      const auto longest = digits(range.last) * 2 + 2;  // "first:last,"
      if (parts.empty() || bytes + longest > max_bytes || messages == max_messages) {
        parts.emplace_back();
        bytes = 0;
        messages = 0;
      }
      const auto last = first + std::min(range.last - first, max_messages - messages - 1);
      parts.back().add(Uid{static_cast<std::uint32_t>(first)}, Uid{static_cast<std::uint32_t>(last)});
      bytes += first == last ? digits(static_cast<std::uint32_t>(first)) + 1 : longest;
      messages += last - first + 1;
      first = last + 1;
    }
  }
  return parts;
}

void CopyUidCollector::take(std::string_view code_data) {
  if (!nonsense_ && !add(code_data)) nonsense_ = true;
}

bool CopyUidCollector::add(std::string_view code_data) {
  const auto validity = parse_nz_number(take_word(code_data));
  const auto limit = std::min(requested_.count(), max_pairs);
  const auto sources = parse_ordered_set(take_word(code_data), limit);
  const auto destinations = parse_ordered_set(take_word(code_data), limit);
  if (!validity || !sources || !destinations || !take_word(code_data).empty()) return false;
  if (copied_.uid_validity && copied_.uid_validity->value != *validity) return false;
  copied_.uid_validity = UidValidity{*validity};
  const auto from = expanded(*sources);
  const auto to = expanded(*destinations);
  // A server may send the code twice, tagged and untagged.
  if (from.size() != to.size() || copied_.uids.size() + from.size() > 2 * limit) return false;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!requested_.contains(from[i])) return false;
    copied_.uids.emplace_back(from[i], to[i]);
  }
  return true;
}

std::optional<CopiedMessages> CopyUidCollector::result() {
  if (nonsense_ || !copied_.uid_validity) return std::nullopt;
  auto& pairs = copied_.uids;
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  const auto same_source = [](const auto& left, const auto& right) { return left.first == right.first; };
  if (std::adjacent_find(pairs.begin(), pairs.end(), same_source) != pairs.end()) return std::nullopt;
  std::vector<Uid> destinations;
  for (const auto& pair : pairs) destinations.push_back(pair.second);
  std::sort(destinations.begin(), destinations.end());
  if (std::adjacent_find(destinations.begin(), destinations.end()) != destinations.end()) return std::nullopt;
  return std::move(copied_);
}

UntaggedHandler bounded_news(UntaggedHandler handler, std::uint64_t messages) {
  const auto most = news_of_a_mailbox + news_of_a_message * messages;
  return [handler = std::move(handler), most, lines = std::uint64_t{0}](
             const Response& response, ResponseReader& reader) mutable -> Result<bool> {
    if (++lines > most) return fail(reader.protocol_error("more news than there can be of the mailbox"));
    return handler ? handler(response, reader) : Result<bool>(false);
  };
}

AppendedMessage parse_append_uid(std::string_view code_data) {
  const auto validity = parse_nz_number(take_word(code_data));
  const auto uid = parse_nz_number(take_word(code_data));
  if (!validity || !uid) return {};
  return {UidValidity{*validity}, Uid{*uid}};
}

}  // namespace imapfs::imap
