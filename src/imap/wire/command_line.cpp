#include "imap/wire/command_line.hpp"

#include <algorithm>

namespace imapfs::imap {
namespace {

bool is_eight_bit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; });
}

bool ends_a_line(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

}  // namespace

CommandLine& CommandLine::word(std::string_view text) {
  pieces_.back() += ' ';
  pieces_.back() += text;
  return *this;
}

CommandLine& CommandLine::text(std::string_view text) {
  pieces_.back() += text;
  return *this;
}

CommandLine& CommandLine::string(std::string_view value) {
  pieces_.back() += ' ';
  if (is_eight_bit(value) && !quoted_utf8_) {
    pieces_.emplace_back(value);
    pieces_.emplace_back();
    return *this;
  }
  auto& line = pieces_.back();
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  line += '"';
  return *this;
}

Result<void> CommandLine::check() const {
  if (std::any_of(pieces_.begin(), pieces_.end(), ends_a_line)) {
    return fail(EINVAL, "{}: a name or argument holds a line break or NUL", name_);
  }
  return {};
}

std::string CommandLine::printable() const {
  std::string result;
  for (std::size_t i = 0; i < pieces_.size(); ++i) result += i % 2 == 1 ? '"' + pieces_[i] + '"' : pieces_[i];
  return result;
}

}  // namespace imapfs::imap
