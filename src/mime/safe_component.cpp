#include <algorithm>
#include <array>

#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "mime/name_characters.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

/// Enough for a name of 200 bytes, even if the text is mostly white space.
constexpr std::size_t max_source_bytes = 4096;

constexpr std::size_t longest_sequence = 4;

constexpr std::array<bool, 128> safe_ascii = [] {
  std::array<bool, 128> safe{};
  for (const char letter : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-.=@_")) {
    safe[static_cast<unsigned char>(letter)] = true;
  }
  return safe;
}();

/// A combining mark at the start could join the text in front of it, so that the name would not be in NFC any more.
bool may_start(char32_t character) { return character != '.' && character != '-' && !is_combining(character); }

/// Replaces each run of unsafe characters by one '-', but puts none at the start. May exceed `limit` by one character.
std::string replaced(std::string_view text, std::size_t limit) {
  std::string name;
  name.reserve(std::min(text.size(), limit + longest_sequence));
  while (!text.empty() && name.size() <= limit) {
    const bool ascii = static_cast<unsigned char>(text.front()) < 0x80;
    const std::size_t length = ascii ? 1 : sequence_length(text);
    const char32_t character = ascii ? static_cast<char32_t>(text.front()) : code_point(text);
    if (!is_safe_in_name(character) || character == '-') {
      if (!name.empty() && !name.ends_with('-')) name += '-';
    } else if (!name.empty() || may_start(character)) {
      name += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return name;
}

}  // namespace

bool is_safe_in_name(char32_t character) {
  constexpr char32_t replacement_character = 0xfffd;
  if (character < 0x80) return safe_ascii[character];
  if (is_usual(character)) return true;
  return character != replacement_character && !is_unsafe(character) && !is_blank(character);
}

std::string safe_component(std::string_view text, std::size_t limit, std::string_view fallback) {
  text = text.substr(0, max_source_bytes);
  const std::string name = is_usual_text(text) ? replaced(text, limit) : replaced(to_utf8(text), limit);
  const std::string_view kept = cut_to(name, limit);
  const auto last = kept.find_last_not_of("-.");
  return std::string(last == std::string_view::npos ? cut_to(fallback, limit) : kept.substr(0, last + 1));
}

}  // namespace imapfs::mime
