#include "mime/unicode.hpp"

#include <glib.h>

#include <algorithm>
#include <array>
#include <memory>

namespace imapfs::mime {
namespace {

constexpr std::string_view replacement_character = "\xef\xbf\xbd";
constexpr std::size_t max_combining_run = 30;

/// Windows-1252 from 0x80 to 0x9f; 0xfffd for unassigned bytes.
constexpr std::array<char32_t, 32> windows_1252 = {0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                                   0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
                                                   0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                                   0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178};

void append(std::string& text, char32_t character) {
  std::array<char, 6> bytes{};
  const int length = g_unichar_to_utf8(character, bytes.data());
  text.append(bytes.data(), static_cast<std::size_t>(length));
}

constexpr unsigned char byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

constexpr bool is_continuation(std::string_view text, std::size_t index) {
  return index < text.size() && (byte_at(text, index) & 0xc0) == 0x80;
}

struct Interval {
  char32_t first;
  char32_t last;
};

/// Invisible characters that Unicode does not class as format characters: joiners, fillers, variation selectors except
/// those of emoji, and the ranges reserved for more of them (Default_Ignorable_Code_Point).
constexpr std::array<Interval, 10> shapeless = {{{0x034f, 0x034f},
                                                 {0x115f, 0x1160},
                                                 {0x17b4, 0x17b5},
                                                 {0x180b, 0x180f},
                                                 {0x2065, 0x2065},
                                                 {0x3164, 0x3164},
                                                 {0xfdd0, 0xfdef},
                                                 {0xffa0, 0xffa0},
                                                 {0xfff0, 0xfffb},
                                                 {0xe0000, 0xe0fff}}};

/// Latin, Greek, Cyrillic, Hebrew, Arabic, quotes and dashes, kana, Han, Hangul, pictures. No range contains a mark.
constexpr std::array<Interval, 12> usual = {{{0x00c0, 0x024f},
                                             {0x0391, 0x03ce},
                                             {0x0400, 0x0481},
                                             {0x048a, 0x052f},
                                             {0x05d0, 0x05ea},
                                             {0x0621, 0x064a},
                                             {0x2010, 0x2027},
                                             {0x3041, 0x3096},
                                             {0x30a1, 0x30fa},
                                             {0x4e00, 0x9fff},
                                             {0xac00, 0xd7a3},
                                             {0x1f300, 0x1f6ff}}};

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
}

std::size_t sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned char lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || !is_continuation(text, 1)) return 0;
  if (lead < 0xe0) return 2;
  const unsigned char second = byte_at(text, 1);
  if (lead < 0xf0) {
    const bool overlong = lead == 0xe0 && second < 0xa0;
    const bool surrogate = lead == 0xed && second > 0x9f;
    return !overlong && !surrogate && is_continuation(text, 2) ? 3 : 0;
  }
  const bool overlong = lead == 0xf0 && second < 0x90;
  const bool too_high = lead == 0xf4 && second > 0x8f;
  return !overlong && !too_high && is_continuation(text, 2) && is_continuation(text, 3) ? 4 : 0;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

char32_t code_point(std::string_view text) {
  const unsigned char lead = byte_at(text, 0);
  if (lead < 0x80) return lead;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t character = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) character = character << 6 | (byte_at(text, i) & 0x3fu);
  return character;
}

std::string_view cut_to(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  const auto step_back = [&](std::size_t position) {
    while (position > 0 && is_continuation(text, position)) --position;
    return position;
  };
  const std::size_t boundary = step_back(limit);
  std::size_t end = boundary;
  while (end > 0 && is_combining(code_point(text.substr(end)))) end = step_back(end - 1);
  return text.substr(0, end > 0 ? end : boundary);
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  std::size_t combining_run = 0;
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0) {
      const unsigned char byte = byte_at(bytes, 0);
      append(text, byte < 0xa0 ? windows_1252[byte - 0x80u] : byte);
      combining_run = 0;
      bytes.remove_prefix(1);
      continue;
    }
    const char32_t character = code_point(bytes);
    combining_run = is_combining(character) ? combining_run + 1 : 0;
    if (combining_run <= max_combining_run) text += character == 0 ? replacement_character : bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
  return text;
}

std::string to_nfc(std::string text) {
  // Nothing below U+0300 (lead byte 0xcc) changes or combines in NFC.
  const bool normal = std::all_of(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0xcc; });
  if (normal) return text;
  const std::unique_ptr<char, decltype(&g_free)> result(
      g_utf8_normalize(text.data(), static_cast<gssize>(text.size()), G_NORMALIZE_NFC), &g_free);
  return result ? std::string(result.get()) : text;
}

bool is_unsafe(char32_t character) {
  if (character < 0x80) return character < 0x20 || character == 0x7f;
  if ((character & 0xfffe) == 0xfffe) return true;
  const bool listed = std::any_of(shapeless.begin(), shapeless.end(), [&](const Interval& interval) {
    return interval.first <= character && character <= interval.last;
  });
  if (listed) return true;
  switch (g_unichar_type(character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return true;
    default: return false;
  }
}

bool is_usual(char32_t character) {
  for (const Interval& interval : usual) {
    if (character < interval.first) return false;
    if (character <= interval.last) return true;
  }
  return false;
}

bool is_usual_text(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = 1;
    if (byte_at(text, 0) >= 0x80) {
      length = sequence_length(text);
      if (length == 0 || !is_usual(code_point(text))) return false;
    } else if (text[0] < ' ' || text[0] == 0x7f) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

bool is_blank(char32_t character) {
  constexpr char32_t braille_blank = 0x2800;
  if (character < 0x80) return character == ' ' || (character >= '\t' && character <= '\r');
  return character == braille_blank || g_unichar_type(character) == G_UNICODE_SPACE_SEPARATOR;
}

bool is_combining(char32_t character) {
  if (character < 0x300) return false;
  const bool hangul = (character >= 0x1160 && character <= 0x11ff) || (character >= 0xd7b0 && character <= 0xd7ff);
  return hangul || g_unichar_ismark(character);
}

}  // namespace imapfs::mime
