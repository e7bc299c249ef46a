#include "imap/wire/response_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace imapfs::imap {
namespace {

constexpr std::size_t max_keywords = 512;             // per message or mailbox, …
constexpr std::size_t max_keyword_bytes = 16 * 1024;  // … and all of them together
constexpr std::size_t max_uid_bytes = 32 << 20;       // in the answer to one command, kept as ranges
constexpr std::size_t max_capabilities = 512;
constexpr std::size_t max_capability_length = 128;
/// For a row with a malformed name: the search for its end takes time proportional to this times max_mailbox_name.
constexpr std::size_t max_odd_row = 16 * 1024;

bool is_capability_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '=' ||
         c == '+' || c == '.' || c == '_' || c == '/' || c == ':' || c == '|' || c == '<' || c == '>';
}

/// Adds ranges in ascending order: a hostile order would make insertion quadratic.
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

/// Retry::never, because the server would answer the same again.
Error endless(const ResponseReader& reader, std::string_view what) {
  auto error = reader.protocol_error(what);
  error.retry = Retry::never;
  return error;
}

/// Adds keywords up to the bounds and leaves out the rest.
class KeywordBudget {
 public:
  void add(FlagSet& flags, std::string_view flag) {
    if (flag.size() > bytes_left_ || count_ == max_keywords) return;
    bytes_left_ -= flag.size();
    ++count_;
    flags.add(flag);
  }

 private:
  std::size_t bytes_left_ = max_keyword_bytes;
  std::size_t count_ = 0;
};

/// Extends a list that is longer than the buffer when less than the longest range is left.
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
    // A flag in PERMANENTFLAGS may contain ']' (Gmail): within parentheses or quotes it does not end the code.
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
  KeywordBudget budget;
  while (!reader.at_end() && !reader.accept(')')) {
    reader.skip_spaces();
    const auto flag = reader.atom();
    if (flag.empty()) {
      if (reader.peek() == '(') reader.skip(1);
      continue;
    }
    budget.add(flags, flag);
  }
  return flags;
}

FlagSet parse_flag_text(std::string_view text, bool& wildcard) {
  FlagSet flags;
  KeywordBudget budget;
  while (!text.empty()) {
    const auto start = text.find_first_not_of(" ()");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const auto end = std::min(text.find_first_of(" ()"), text.size());
    const auto flag = text.substr(0, end);
    if (flag == "\\*") {
      wildcard = true;
    } else {
      budget.add(flags, flag);
    }
    text.remove_prefix(end);
  }
  return flags;
}

bool UidCollector::add(std::uint32_t first, std::uint32_t last) {
  const UidSet::Range range{std::min(first, last), std::max(first, last)};
  if (!ranges_.empty() && ranges_.back().last != std::numeric_limits<std::uint32_t>::max() &&
      ranges_.back().last + 1 == range.first) {
    ranges_.back().last = range.last;
    return true;
  }
  if (ranges_.size() >= max_uid_bytes / sizeof(UidSet::Range)) return false;
  ranges_.push_back(range);
  return true;
}

UidSet UidCollector::take() { return set_of(std::exchange(ranges_, {})); }

Result<void> parse_uid_set(ResponseReader& reader, UidCollector& uids) {
  while (true) {
    IMAPFS_TRY(ensure_whole_item(reader));
    const auto first = as_uid(reader.number());
    auto last = first;
    if (first && reader.accept(':')) last = as_uid(reader.number());
    if (first && last && !uids.add(*first, *last)) return fail(endless(reader, "UID set too long"));
    while (!reader.at_end() && reader.peek() != ',' && reader.peek() != ' ' && reader.peek() != ')') reader.skip(1);
    if (reader.accept(',')) continue;
    if (reader.at_end() && IMAPFS_TRY(reader.extend())) continue;
    break;
  }
  return {};
}

Result<UidSet> parse_uid_set(ResponseReader& reader) {
  UidCollector uids;
  IMAPFS_TRY(parse_uid_set(reader, uids));
  return uids.take();
}

Result<void> parse_uid_words(ResponseReader& reader, UidCollector& uids) {
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
      if (!uids.add(*uid, *uid)) return fail(endless(reader, "too many search results"));
    } else {
      while (!reader.at_end() && reader.peek() != ' ') reader.skip(1);
    }
  }
  return {};
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
    // NIL as an atom is no name; RFC 9051 requires quotes for a mailbox of that name.
    return Name();
  }
  if (name->size() > max_mailbox_name || (atom && name->empty())) return Name();
  if (name->find('\0') != std::string_view::npos) return Name();
  return Name(std::string(*name));
}

namespace {

std::string_view without_spaces(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

/// The end of a quoted string or an atom at the start of `line`.
std::size_t end_of_string(std::string_view line) {
  if (!line.starts_with('"')) return std::min(line.find_first_of(" ()"), line.size());
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      return i + 1;
    }
  }
  return line.size();
}

/// Whether `text` begins with extended data: RFC 5258 §6: ("CHILDINFO" ("SUBSCRIBED")), a tag with a list or number.
bool begins_extended_data(std::string_view text) {
  if (!text.starts_with('(')) return false;
  text.remove_prefix(1);
  if (text == ")") return true;
  const auto tag = end_of_string(text);
  if (tag == 0 || tag + 1 >= text.size() || text[tag] != ' ') return false;
  const char value = text[tag + 1];
  return value == '(' || (value >= '0' && value <= '9');
}

/// Whether `text` is exactly one list in parentheses.
bool is_list(std::string_view text) {
  if (!text.starts_with('(') || !text.ends_with(')')) return false;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) return i + 1 == text.size();
  }
  return false;
}

/// Whether `text` is exactly one atom or quoted string.
bool is_word(std::string_view text) {
  if (text.starts_with('"')) return end_of_string(text) == text.size();
  return !text.empty() && text.find(' ') == std::string_view::npos;
}

using Follower = bool (*)(std::string_view);

/// The end of a malformed name at the start of `line`: the first place where the text after it may follow a name.
std::size_t end_of_odd_name(std::string_view line, Follower may_follow) {
  auto end = line.find(' ');
  while (end != std::string_view::npos && end <= max_mailbox_name && !may_follow(without_spaces(line.substr(end)))) {
    end = line.find(' ', end + 1);
  }
  return end <= max_mailbox_name ? end : std::string_view::npos;
}

bool is_written_as_one(const ResponseReader& reader, Follower may_follow) {
  const auto line = reader.rest();
  const auto end = end_of_string(line);
  if (reader.at_literal() || without_spaces(line.substr(end)).empty()) return true;
  return line[end] == ' ' && may_follow(without_spaces(line.substr(end)));
}

/// The name in `text`; quotes may be only its first and last character.
std::optional<std::string> odd_name(std::string_view text) {
  text = without_spaces(text);
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) text = text.substr(1, text.size() - 2);
  if (text.empty() || text.size() > max_mailbox_name || text.find('\0') != std::string_view::npos) return std::nullopt;
  return std::string(text);
}

}  // namespace

Result<std::optional<std::string>> parse_last_name(ResponseReader& reader) {
  reader.skip_spaces();
  const auto line = reader.rest();
  if (is_written_as_one(reader, begins_extended_data)) return parse_mailbox_name(reader);
  if (line.size() > max_odd_row) return std::optional<std::string>();
  const auto end = std::min(end_of_odd_name(line, begins_extended_data), line.size());
  auto name = odd_name(line.substr(0, end));
  reader.skip(end);
  return name;
}

Result<std::optional<std::string>> parse_name_before(ResponseReader& reader, Following following) {
  const Follower may_follow = following == Following::list ? is_list : is_word;
  reader.skip_spaces();
  const auto line = reader.rest();
  const bool odd = line.size() <= max_odd_row && !is_written_as_one(reader, may_follow);
  const auto end = odd ? end_of_odd_name(line, may_follow) : std::string_view::npos;
  if (end == std::string_view::npos) return parse_mailbox_name(reader);
  auto name = odd_name(line.substr(0, end));
  reader.skip(end);
  return name;
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
