#pragma once
// A streaming reader of IMAP server output: finds responses, cuts them into tokens, and hands literals out in pieces.
//
// Guarantees: memory is bounded by `max_line` whatever the server sends; literals are never buffered; literal lengths
// are 64-bit and never wrap; nothing recurses; no allocation per token except for a quoted string with escapes. NULs
// are ordinary octets, at the start of a line they are dropped (some servers send them). Lines may end in CRLF or LF.
// Views that tokens return are valid until the next call that can read (begin_literal, literal_piece, extend, next,
// finish). Errors are of scope session: transport errors, or EIO "protocol error: …". One thread at a time; the
// transport outlives the reader.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/transport.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::imap {

class ResponseReader {
 public:
  ResponseReader(Transport& transport, std::size_t max_line);

  /// Used by every read until replaced; must outlive its use.
  void set_context(const CallContext& context) { context_ = &context; }

  /// Positions on the first line of the next response. What is left of the last one must have been finished.
  Result<void> next();
  /// Skips what is left of the response, literals included. After rest_is_text(): of the line.
  Result<void> finish();
  /// The response is status text: what looks like a literal at its end is none.
  void rest_is_text() { text_ = true; }
  /// Whether next() can begin without asking the transport.
  [[nodiscard]] bool has_buffered() const { return next_line_ < tail_; }
  /// Gives up everything buffered beyond the current line: for COMPRESS, and to check that STARTTLS leaves nothing.
  std::string take_buffered();
  /// Waits for has_buffered() or data on the transport.
  Result<void> wait(const CallContext& context);

  // Tokens of the current line.
  [[nodiscard]] std::string_view rest() const { return {buffer_.data() + cursor_, line_end_ - cursor_}; }
  [[nodiscard]] bool at_end() const { return cursor_ == line_end_; }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : buffer_[cursor_]; }
  bool accept(char wanted) {
    if (at_end() || buffer_[cursor_] != wanted) return false;
    ++cursor_;
    return true;
  }
  void skip(std::size_t count) { cursor_ += std::min(count, line_end_ - cursor_); }
  void skip_spaces() {
    while (!at_end() && buffer_[cursor_] == ' ') ++cursor_;
  }
  /// Up to a space, a parenthesis or the end; brackets and backslashes belong to it (lenient: flags with ']').
  std::string_view atom();
  /// Up to a space, a parenthesis, '[' or '<': the name of a FETCH item.
  std::string_view item_name();
  /// Digits, at most 2^64-1; nothing (and nothing consumed) otherwise.
  std::optional<std::uint64_t> number();
  /// A quoted string, unescaped into `storage` if it has escapes. An unterminated one ends with the line.
  std::string_view quoted(std::string& storage);

  /// Whether a literal begins here.
  [[nodiscard]] bool at_literal() const;
  /// Reads "{n}", "{n+}" or "~{n}" and the end of its line.
  Result<std::uint64_t> begin_literal();
  /// The next octets of the literal; empty when it has ended.
  Result<std::span<const char>> literal_piece();
  /// Skips what is left of the literal and loads the line that goes on after it.
  Result<void> end_literal();
  [[nodiscard]] std::uint64_t literal_left() const { return literal_left_; }
  /// How many literals have been begun: whether there was one in what was read is told by comparing.
  [[nodiscard]] std::uint64_t literals() const { return literals_; }

  /// astring or nstring of at most `limit` octets (more is cut off, and read over): atom, quoted or literal; nothing
  /// for NIL. The view is into `storage` or the line.
  Result<std::optional<std::string_view>> string(std::string& storage, std::size_t limit);
  /// Skips one value: atom, string, literal, or a parenthesised list of any depth.
  Result<void> skip_value();

  /// A list of numbers ("1 2 3", "1:5,7") may be longer than a line may be: drops what was consumed and reads on. False
  /// when the line is complete.
  Result<bool> extend();

  Error protocol_error(std::string_view what) const;

 private:
  Result<void> load_line();
  Result<void> fill();
  [[nodiscard]] bool is_number_list() const;
  [[nodiscard]] std::optional<std::size_t> trailing_literal() const;

  Transport& transport_;
  const std::size_t max_line_;
  const CallContext* context_ = nullptr;
  std::vector<char> buffer_;
  std::size_t cursor_ = 0;  ///< next octet of the line
  std::size_t line_begin_ = 0;
  std::size_t line_end_ = 0;   ///< without CRLF
  std::size_t next_line_ = 0;  ///< after the line's LF
  std::size_t tail_ = 0;       ///< end of what was read
  bool partial_ = false;       ///< the line's end has not been read yet
  bool text_ = false;
  bool in_literal_ = false;
  std::uint64_t literal_left_ = 0;
  std::uint64_t literals_ = 0;
};

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// ASCII comparison without regard to case.
[[nodiscard]] bool iequals(std::string_view left, std::string_view right);
[[nodiscard]] std::string upper(std::string_view text);

}  // namespace imapfs::imap
