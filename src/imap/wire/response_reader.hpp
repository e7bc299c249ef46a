#pragma once
// A streaming reader of IMAP server output: finds responses, splits them into tokens, and returns literals in pieces.
//
// Guarantees: `max_line` bounds memory, whatever the server sends; literals are never buffered; literal lengths have 64
// bits and never wrap; nothing recurses; only a quoted string with escapes allocates memory. NULs are ordinary bytes,
// except that they are dropped at the start of a line (some servers send them). Lines may end in CRLF or LF. Views of
// tokens are valid until the next call that can read (begin_literal, literal_piece, extend, next, finish). Errors have
// scope session: transport errors, or EIO "protocol error: …". One thread at a time; the transport outlives the reader.

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

  /// The context of every read until it is replaced; it must live as long.
  void set_context(const CallContext& context) { context_ = &context; }

  /// Moves to the first line of the next response. The last response must have been finished.
  Result<void> next();
  /// Skips the rest of the response with its literals; after rest_is_text(), the rest of the line.
  Result<void> finish();
  /// The response is status text: a literal at its end is only text.
  void rest_is_text() { text_ = true; }
  /// Whether next() can begin without the transport.
  [[nodiscard]] bool has_buffered() const { return next_line_ < tail_; }
  /// Takes everything buffered beyond the current line: for COMPRESS, and to check that nothing is left before
  /// STARTTLS.
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
  /// Reads up to a space, a parenthesis or the end. Brackets and backslashes are part of it (lenient: flags with ']').
  std::string_view atom();
  /// Reads up to a space, a parenthesis, '[' or '<': the name of a FETCH item.
  std::string_view item_name();
  /// Reads digits, at most 2^64-1. Otherwise returns nothing and consumes nothing.
  std::optional<std::uint64_t> number();
  /// Reads a quoted string; unescapes it into `storage` if it has escapes. The line's end ends an unterminated one.
  std::string_view quoted(std::string& storage);

  /// Whether a literal begins here.
  [[nodiscard]] bool at_literal() const;
  /// Reads "{n}", "{n+}" or "~{n}" and the end of its line.
  Result<std::uint64_t> begin_literal();
  /// The next bytes of the literal; empty at its end.
  Result<std::span<const char>> literal_piece();
  /// Skips the rest of the literal and loads the line that follows it.
  Result<void> end_literal();
  [[nodiscard]] std::uint64_t literal_left() const { return literal_left_; }
  /// The number of literals begun so far; comparing it tells whether there was one in between.
  [[nodiscard]] std::uint64_t literals() const { return literals_; }

  /// Reads an astring or nstring (atom, quoted or literal), cut to `limit` bytes; nothing for NIL. The view is into
  /// `storage` or the line.
  Result<std::optional<std::string_view>> string(std::string& storage, std::size_t limit);
  /// Skips one value: atom, string, literal, or a parenthesised list of any depth.
  Result<void> skip_value();

  /// A list of numbers ("1 2 3", "1:5,7") may be longer than the longest line: drops consumed text and reads more.
  /// False when the line is complete.
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
  std::size_t cursor_ = 0;  ///< next byte of the line
  std::size_t line_begin_ = 0;
  std::size_t line_end_ = 0;   ///< without CRLF
  std::size_t next_line_ = 0;  ///< after the line's LF
  std::size_t tail_ = 0;       ///< end of what was read
  bool partial_ = false;       ///< the end of the line has not been read yet
  bool text_ = false;
  bool in_literal_ = false;
  std::uint64_t literal_left_ = 0;
  std::uint64_t literals_ = 0;
};

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Compares ASCII without regard to case.
[[nodiscard]] bool iequals(std::string_view left, std::string_view right);
[[nodiscard]] std::string upper(std::string_view text);

}  // namespace imapfs::imap
