#include "imap/wire/response_reader.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t initial_buffer = 65536;
constexpr std::uint64_t max_literal = std::numeric_limits<std::int64_t>::max();  // RFC 9051 number64

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

/// Where "{123}" or "{123+}" at the end of `line` begins.
std::optional<std::size_t> literal_start(std::string_view line) {
  if (line.empty() || line.back() != '}') return std::nullopt;
  auto position = line.size() - 1;
  if (position > 0 && line[position - 1] == '+') --position;
  const auto digits_end = position;
  while (position > 0 && is_digit(line[position - 1])) --position;
  if (position == digits_end || position == 0 || line[position - 1] != '{') return std::nullopt;
  return position - 1;
}

}  // namespace

bool iequals(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), [](char a, char b) { return to_upper(a) == to_upper(b); });
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), to_upper);
  return result;
}

ResponseReader::ResponseReader(Transport& transport, std::size_t max_line)
    : transport_(transport), max_line_(std::max(max_line, std::size_t{1024})), buffer_(initial_buffer) {}

Error ResponseReader::protocol_error(std::string_view what) const {
  return Error{EIO, Scope::session, Retry::now, fmt::format("protocol error: {}", what)};
}

Result<void> ResponseReader::fill() {
  if (next_line_ == tail_ && cursor_ == tail_) {
    cursor_ = line_begin_ = line_end_ = next_line_ = tail_ = 0;
  } else if (tail_ == buffer_.size()) {
    const auto keep = std::min(cursor_, next_line_);  // both are at the start of the line that is being loaded
    if (keep > 0) {
      std::memmove(buffer_.data(), buffer_.data() + keep, tail_ - keep);
      cursor_ -= keep;
      line_end_ -= std::min(line_end_, keep);
      next_line_ -= keep;
      tail_ -= keep;
    } else {
      buffer_.resize(std::min(buffer_.size() * 2, max_line_ + initial_buffer));
    }
  }
  tail_ += IMAPFS_TRY(transport_.read({buffer_.data() + tail_, buffer_.size() - tail_}, *context_));
  return {};
}

/// Makes the line at next_line_ the current one.
Result<void> ResponseReader::load_line() {
  cursor_ = line_end_ = next_line_;
  partial_ = false;
  std::size_t searched = 0;
  while (true) {
    const char* from = buffer_.data() + cursor_ + searched;
    const auto available = tail_ - cursor_ - searched;
    if (const void* found = available > 0 ? std::memchr(from, '\n', available) : nullptr) {
      line_begin_ = cursor_;
      line_end_ = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      next_line_ = line_end_ + 1;
      if (line_end_ > cursor_ && buffer_[line_end_ - 1] == '\r') --line_end_;
      return {};
    }
    searched += available;
    if (searched >= max_line_) {
      line_begin_ = cursor_;
      line_end_ = next_line_ = tail_;
      partial_ = true;
      return {};
    }
    next_line_ = cursor_;  // so that fill() keeps the start of the line
    IMAPFS_TRY(fill());
  }
}

bool ResponseReader::is_number_list() const {
  const auto line = rest();
  for (std::string_view name : {"* SEARCH ", "* ESEARCH ", "* VANISHED "}) {
    if (line.size() > name.size() && iequals(line.substr(0, name.size()), name)) return true;
  }
  return false;
}

Result<void> ResponseReader::next() {
  text_ = false;
  IMAPFS_TRY(load_line());
  while (!at_end() && buffer_[cursor_] == '\0') ++cursor_;
  if ((partial_ || line_end_ - cursor_ > max_line_) && !is_number_list()) {
    return fail(protocol_error(fmt::format("response line longer than {} octets", max_line_)));
  }
  return {};
}

Result<bool> ResponseReader::extend() {
  if (!partial_) return false;
  const auto kept = tail_ - cursor_;
  if (kept >= max_line_ / 2) return fail(protocol_error("number longer than a line"));
  next_line_ = cursor_;
  IMAPFS_TRY(load_line());
  return true;
}

std::string ResponseReader::take_buffered() {
  std::string result(buffer_.data() + next_line_, tail_ - next_line_);
  tail_ = next_line_;
  return result;
}

Result<void> ResponseReader::wait(const CallContext& context) {
  if (has_buffered()) return {};
  return transport_.wait_readable(context);
}

std::string_view ResponseReader::atom() {
  const auto text = rest();
  const auto ends = [](char c) { return c == ' ' || c == '(' || c == ')'; };
  const auto end = static_cast<std::size_t>(std::find_if(text.begin(), text.end(), ends) - text.begin());
  cursor_ += end;
  return text.substr(0, end);
}

std::string_view ResponseReader::item_name() {
  const auto text = rest();
  std::size_t end = 0;
  while (end < text.size()) {
    const char c = text[end];
    if (c == ' ' || c == '(' || c == ')' || c == '[' || c == '<') break;
    ++end;
  }
  cursor_ += end;
  return text.substr(0, end);
}

std::optional<std::uint64_t> ResponseReader::number() {
  constexpr auto top = std::numeric_limits<std::uint64_t>::max();
  auto position = cursor_;
  std::uint64_t value = 0;
  while (position < line_end_ && is_digit(buffer_[position])) {
    const auto digit = static_cast<std::uint64_t>(buffer_[position] - '0');
    if (value > (top - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
    ++position;
  }
  if (position == cursor_) return std::nullopt;
  cursor_ = position;
  return value;
}

std::string_view ResponseReader::quoted(std::string& storage) {
  if (!accept('"')) return {};
  const auto text = rest();
  // find_first_of() would search its set for every byte.
  const auto found = std::find_if(text.begin(), text.end(), [](char c) { return c == '"' || c == '\\'; });
  const auto special = found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
  if (special == std::string_view::npos) {
    cursor_ = line_end_;
    return text;
  }
  if (text[special] == '"') {
    cursor_ += special + 1;
    return text.substr(0, special);
  }
  storage.clear();
  std::size_t position = 0;
  for (; position < text.size() && text[position] != '"'; ++position) {
    if (text[position] == '\\' && position + 1 < text.size()) ++position;
    storage.push_back(text[position]);
  }
  cursor_ += std::min(position + 1, text.size());
  return storage;
}

bool ResponseReader::at_literal() const {
  auto text = rest();
  if (text.starts_with('~')) text.remove_prefix(1);
  return literal_start(text) == std::optional<std::size_t>(0);
}

Result<std::uint64_t> ResponseReader::begin_literal() {
  accept('~');  // RFC 3516 literal8
  if (!accept('{')) return fail(protocol_error("literal expected"));
  const auto length = number();
  accept('+');
  if (!length || *length > max_literal || !accept('}') || !at_end() || partial_) {
    return fail(protocol_error("malformed literal length"));
  }
  in_literal_ = true;
  ++literals_;
  line_begin_ = next_line_;
  literal_left_ = *length;
  cursor_ = line_end_ = next_line_;
  return *length;
}

Result<std::span<const char>> ResponseReader::literal_piece() {
  if (literal_left_ == 0) return std::span<const char>{};
  if (next_line_ == tail_) {
    cursor_ = line_end_ = next_line_;
    IMAPFS_TRY(fill());
  }
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(literal_left_, tail_ - next_line_));
  const std::span<const char> piece(buffer_.data() + next_line_, count);
  next_line_ += count;
  cursor_ = line_end_ = next_line_;
  literal_left_ -= count;
  return piece;
}

Result<void> ResponseReader::end_literal() {
  while (literal_left_ > 0) IMAPFS_TRY(literal_piece());
  in_literal_ = false;
  IMAPFS_TRY(load_line());
  if (partial_) return fail(protocol_error(fmt::format("response line longer than {} octets", max_line_)));
  return {};
}

Result<std::optional<std::string_view>> ResponseReader::string(std::string& storage, std::size_t limit) {
  using Value = std::optional<std::string_view>;
  if (peek() == '"') return Value(quoted(storage).substr(0, limit));
  if (at_literal()) {
    IMAPFS_TRY(begin_literal());
    storage.clear();
    while (true) {
      const auto piece = IMAPFS_TRY(literal_piece());
      if (piece.empty()) break;
      storage.append(piece.data(), std::min(piece.size(), limit - std::min(limit, storage.size())));
    }
    IMAPFS_TRY(end_literal());
    return Value(storage);
  }
  const auto word = atom();
  if (iequals(word, "NIL")) return Value();
  return Value(word.substr(0, limit));
}

Result<void> ResponseReader::skip_value() {
  std::uint64_t depth = 0;
  do {
    skip_spaces();
    if (accept('(')) {
      ++depth;
    } else if (accept(')')) {
      if (depth == 0) break;
      --depth;
    } else if (at_end()) {
      break;
    } else if (peek() == '"') {
      std::string unused;
      (void)quoted(unused);
    } else if (at_literal()) {
      IMAPFS_TRY(begin_literal());
      IMAPFS_TRY(end_literal());
    } else if (atom().empty()) {
      skip(1);
    }
  } while (depth > 0);
  return {};
}

/// Where in the line a literal is announced: at its end and outside quotes. Looks at the whole line, also at consumed
/// text: a literal where no token expects one must not turn a mail's text into responses.
std::optional<std::size_t> ResponseReader::trailing_literal() const {
  const std::string_view text(buffer_.data() + line_begin_, line_end_ - line_begin_);
  const auto start = literal_start(text);
  if (!start) return std::nullopt;
  bool inside = false;
  for (std::size_t i = 0; i < *start; ++i) {
    if (text[i] == '\\' && inside) {
      ++i;
    } else if (text[i] == '"') {
      inside = !inside;
    }
  }
  if (inside) return std::nullopt;
  return start;
}

Result<void> ResponseReader::finish() {
  if (in_literal_) IMAPFS_TRY(end_literal());
  while (partial_) {
    cursor_ = line_end_;
    IMAPFS_TRY(extend());
  }
  while (!text_) {
    const auto literal = trailing_literal();
    if (!literal) break;
    cursor_ = line_begin_ + *literal;
    IMAPFS_TRY(begin_literal());
    IMAPFS_TRY(end_literal());
  }
  cursor_ = line_end_;
  return {};
}

}  // namespace imapfs::imap
