#include "imapfs/imap/response_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace imapfs::imap {
namespace {

constexpr std::size_t max_keywords = 512;           // per message
constexpr std::size_t max_uids = 16'000'000;        // in one SEARCH or VANISHED answer
constexpr std::size_t max_capabilities = 512;
constexpr std::size_t max_capability_length = 128;

bool is_capability_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '=' || c == '+' ||
         c == '.' || c == '_' || c == '/' || c == ':' || c == '|' || c == '<' || c == '>';
}

/// Adds ranges in ascending order, so that a hostile order cannot make insertion quadratic.
UidSet set_of(std::vector<UidSet::Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  UidSet set;
  std::optional<UidSet::Range> open;
  for (const auto& range : ranges) {
    if (open && static_cast<std::uint64_t>(range.first) <= static_cast<std::uint64_t>(open->last) + 1) {
      open->last = std::max(open->last, range.last);
      continue;
    }
    if (open) set.add(Uid{open->first}, Uid{open->last});
    open = range;
  }
  if (open) set.add(Uid{open->first}, Uid{open->last});
  return set;
}

std::optional<std::uint32_t> as_uid(std::optional<std::uint64_t> number) {
  if (!number || *number == 0 || *number > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

/// At fewer octets than the longest range has, a list that is longer than the buffer must be extended first.
Result<void> ensure_whole_item(ResponseReader& reader) {
  constexpr std::size_t longest_item = 48;
  if (reader.rest().size() < longest_item) IMAPFS_TRY(reader.extend());
  return {};
}

}  // namespace

Answer parse_status_text(Answer::Kind kind, std::string_view text) {
  Answer answer{kind, {}, {}, {}};
  while (text.starts_with(' ')) text.remove_prefix(1);
  if (text.starts_with('[')) {
    // A flag in PERMANENTFLAGS may hold ']' (Gmail): inside parentheses or quotes it does not end the code.
    int depth = 0;
    bool inside = false;
    std::size_t end = 1;
    for (; end < text.size(); ++end) {
      const char c = text[end];
      if (c == '"') inside = !inside;
      if (!inside && c == '(') ++depth;
      if (!inside && c == ')') --depth;
      if (!inside && depth <= 0 && c == ']') break;
    }
    if (end == text.size()) end = std::min(text.find(']'), text.size());
    auto code = text.substr(1, end - 1);
    const auto space = std::min(code.find(' '), code.size());
    answer.code = upper(code.substr(0, space));
    code.remove_prefix(std::min(space + 1, code.size()));
    answer.code_data = code;
    text.remove_prefix(std::min(end + 1, text.size()));
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  answer.text = text;
  return answer;
}

std::optional<FlagSet> parse_flag_list(ResponseReader& reader) {
  if (!reader.accept('(')) return std::nullopt;
  FlagSet flags;
  std::size_t count = 0;
  while (!reader.at_end() && !reader.accept(')')) {
    reader.skip_spaces();
    const auto flag = reader.atom();
    if (flag.empty()) {
      if (reader.peek() == '(') reader.skip(1);
      continue;
    }
    if (++count <= max_keywords) flags.add(flag);
  }
  return flags;
}

FlagSet parse_flag_text(std::string_view text, bool& wildcard) {
  FlagSet flags;
  std::size_t count = 0;
  while (!text.empty() && ++count <= max_keywords) {
    const auto start = text.find_first_not_of(" ()");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const auto end = std::min(text.find_first_of(" ()"), text.size());
    const auto flag = text.substr(0, end);
    if (flag == "\\*") {
      wildcard = true;
    } else {
      flags.add(flag);
    }
    text.remove_prefix(end);
  }
  return flags;
}

Result<UidSet> parse_uid_set(ResponseReader& reader) {
  std::vector<UidSet::Range> ranges;
  while (true) {
    IMAPFS_TRY(ensure_whole_item(reader));
    const auto first = as_uid(reader.number());
    auto last = first;
    if (first && reader.accept(':')) last = as_uid(reader.number());
    if (first && last) {
      if (ranges.size() >= max_uids) return fail(reader.protocol_error("UID set too long"));
      ranges.push_back({std::min(*first, *last), std::max(*first, *last)});
    }
    while (!reader.at_end() && reader.peek() != ',' && reader.peek() != ' ' && reader.peek() != ')') reader.skip(1);
    if (reader.accept(',')) continue;
    if (reader.at_end() && IMAPFS_TRY(reader.extend())) continue;
    break;
  }
  return set_of(std::move(ranges));
}

Result<UidSet> parse_uid_words(ResponseReader& reader) {
  std::vector<UidSet::Range> ranges;
  while (true) {
    IMAPFS_TRY(ensure_whole_item(reader));
    reader.skip_spaces();
    if (reader.at_end()) {
      if (IMAPFS_TRY(reader.extend())) continue;
      break;
    }
    if (reader.peek() == '(') {
      IMAPFS_TRY(reader.skip_value());
      continue;
    }
    if (const auto uid = as_uid(reader.number())) {
      if (!ranges.empty() && ranges.back().last != std::numeric_limits<std::uint32_t>::max() &&
          ranges.back().last + 1 == *uid) {
        ranges.back().last = *uid;
        continue;
      }
      if (ranges.size() >= max_uids) return fail(reader.protocol_error("too many search results"));
      ranges.push_back({*uid, *uid});
    } else {
      while (!reader.at_end() && reader.peek() != ' ') reader.skip(1);
    }
  }
  return set_of(std::move(ranges));
}

Result<MailboxStatus> parse_status_items(ResponseReader& reader) {
  MailboxStatus status;
  reader.skip_spaces();
  if (!reader.accept('(')) return status;
  while (!reader.at_end()) {
    reader.skip_spaces();
    if (reader.accept(')')) break;
    const auto name = upper(reader.atom());
    reader.skip_spaces();
    if (reader.peek() == '(') {
      IMAPFS_TRY(reader.skip_value());
      continue;
    }
    const auto value = reader.number();
    if (!value) {
      if (reader.atom().empty() && reader.peek() != ')') reader.skip(1);
      continue;
    }
    const bool small = *value <= std::numeric_limits<std::uint32_t>::max();
    if (name == "MESSAGES" && small) status.messages = static_cast<std::uint32_t>(*value);
    if (name == "UNSEEN" && small) status.unseen = static_cast<std::uint32_t>(*value);
    if (name == "UIDNEXT" && small && *value > 0) status.uid_next = Uid{static_cast<std::uint32_t>(*value)};
    if (name == "UIDVALIDITY" && small && *value > 0) {
      status.uid_validity = UidValidity{static_cast<std::uint32_t>(*value)};
    }
    if (name == "HIGHESTMODSEQ" && *value > 0) status.highest_modseq = ModSeq{*value};
    if (name == "SIZE") status.size = *value;
  }
  return status;
}

Result<std::optional<std::string>> parse_mailbox_name(ResponseReader& reader) {
  using Name = std::optional<std::string>;
  reader.skip_spaces();
  const bool atom = reader.peek() != '"' && !reader.at_literal();
  std::string storage;
  const auto name = IMAPFS_TRY(reader.string(storage, max_mailbox_name + 1));
  if (!name) {
    // A mailbox may be called NIL when the server sends it as an atom: RFC 9051 allows that only quoted.
    return Name();
  }
  if (name->size() > max_mailbox_name || (atom && name->empty())) return Name();
  if (name->find('\0') != std::string_view::npos) return Name();
  return Name(std::string(*name));
}

bool is_atom(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || (stopped != end && *stopped != ' ')) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> parse_nz_number(std::string_view text) { return as_uid(parse_number(text)); }

std::set<std::string> parse_capability_words(std::string_view text) {
  std::set<std::string> words;
  while (words.size() < max_capabilities) {
    const auto start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const auto end = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, end);
    if (word.size() <= max_capability_length && std::all_of(word.begin(), word.end(), is_capability_character)) {
      words.insert(upper(word));
    }
    text.remove_prefix(end);
  }
  return words;
}

}  // namespace imapfs::imap
