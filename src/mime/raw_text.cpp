#include "mime/raw_text.hpp"

#include <glib.h>
#include <uchardet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

constexpr char escape = 0x1b;
/// The fewest high bytes for a guess: the library needs some letters.
constexpr std::ptrdiff_t least_evidence = 4;
/// Cut or mangled UTF-8 is still mostly valid; text in other charsets looks like UTF-8 only here and there.
constexpr std::size_t most_damage = 4;
/// In Western text, letters beyond ASCII stand alone or in pairs.
constexpr std::size_t longest_latin_run = 2;

bool is_high(char octet) { return static_cast<unsigned char>(octet) >= 0x80; }

/// As is_ascii(), but eight bytes at a time: every header of a listing passes through here.
bool is_all_ascii(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  std::uint64_t seen = 0;
  while (text.size() >= sizeof(seen)) {
    std::uint64_t octets = 0;
    std::memcpy(&octets, text.data(), sizeof(octets));
    seen |= octets;
    text.remove_prefix(sizeof(octets));
  }
  return (seen & high_bits) == 0 && std::none_of(text.begin(), text.end(), is_high);
}

bool is_same(std::string_view name, std::string_view other) {
  return name.size() == other.size() && g_ascii_strncasecmp(name.data(), other.data(), name.size()) == 0;
}

struct Superset {
  std::string_view name;
  const char* read_as;
};

/// Charset names that mail uses for a larger set: with the letters of a later version or of the vendor.
constexpr std::array<Superset, 12> supersets = {{{"gb2312", "GB18030"},
                                                 {"gbk", "GB18030"},
                                                 {"x-gbk", "GB18030"},
                                                 {"big5", "BIG5-HKSCS"},
                                                 {"shift_jis", "CP932"},
                                                 {"x-sjis", "CP932"},
                                                 {"iso-2022-jp", "ISO-2022-JP-2"},
                                                 {"euc-kr", "CP949"},
                                                 {"ks_c_5601-1987", "CP949"},
                                                 {"uhc", "CP949"},
                                                 {"iso-8859-1", "WINDOWS-1252"},
                                                 {"tis-620", "CP874"}}};

std::string read_as(std::string_view charset) {
  const auto* found = std::find_if(supersets.begin(), supersets.end(),
                                   [&](const Superset& known) { return is_same(charset, known.name); });
  return found != supersets.end() ? found->read_as : std::string(charset);
}

bool says_nothing(std::string_view charset) {
  return charset.empty() || is_same(charset, "us-ascii") || is_same(charset, "ascii") || is_same(charset, "utf-8");
}

/// Nothing unless every byte is valid in the charset.
std::optional<std::string> converted(std::string_view octets, std::string_view charset) {
  if (says_nothing(charset)) return std::nullopt;
  gsize length = 0;
  const std::unique_ptr<char, decltype(&g_free)> text(
      g_convert(octets.data(), static_cast<gssize>(octets.size()), "UTF-8", read_as(charset).c_str(), nullptr, &length,
                nullptr),
      &g_free);
  if (!text) return std::nullopt;
  const std::string_view result(text.get(), length);
  // A charset that has no escape sequences copies them: it is the wrong one.
  if (result.find(escape) != std::string_view::npos) return std::nullopt;
  return valid_utf8(result);
}

/// Whether far more bytes belong to valid characters beyond ASCII than are invalid.
bool is_damaged_utf8(std::string_view octets) {
  std::size_t sound = 0;
  std::size_t damaged = 0;
  while (!octets.empty()) {
    const auto length = sequence_length(octets);
    if (length == 0) ++damaged;
    if (length > 1) sound += length;
    octets.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return sound > most_damage * damaged;
}

/// The characters from 0x80 to 0x9f that Western text has in Windows-1252: quotation marks, dashes, ellipsis, euro
/// sign.
bool is_western_sign(unsigned char octet) { return octet == 0x80 || octet == 0x85 || (octet >= 0x91 && octet <= 0x97); }

bool looks_western(std::string_view octets) {
  std::size_t run = 0;
  for (const char octet : octets) {
    const auto value = static_cast<unsigned char>(octet);
    if (value >= 0x80 && value < 0xa0 && !is_western_sign(value)) return false;
    run = is_high(octet) ? run + 1 : 0;
    if (run > longest_latin_run) return false;
  }
  return octets.find(escape) == std::string_view::npos;
}

std::string guessed_charset(std::string_view octets) {
  const std::unique_ptr<uchardet, decltype(&uchardet_delete)> detector(uchardet_new(), &uchardet_delete);
  if (!detector || uchardet_handle_data(detector.get(), octets.data(), octets.size()) != 0) return {};
  uchardet_data_end(detector.get());
  return uchardet_get_charset(detector.get());
}

std::optional<std::string> guessed(std::string_view octets) {
  const auto evidence = std::count_if(octets.begin(), octets.end(), is_high);
  const bool escaped = octets.find(escape) != std::string_view::npos;
  if (looks_western(octets) || (evidence < least_evidence && !escaped)) return std::nullopt;
  return converted(octets, guessed_charset(octets));
}

}  // namespace

bool is_readable(std::string_view text) {
  return text.find("\x1b$") == std::string_view::npos && (is_all_ascii(text) || is_valid_utf8(text));
}

std::string read_raw_text(std::string_view octets, std::string_view charset) {
  if (is_readable(octets) || is_damaged_utf8(octets)) return valid_utf8(octets);
  if (auto text = converted(octets, charset)) return std::move(*text);
  if (auto text = guessed(octets)) return std::move(*text);
  return valid_utf8(octets);
}

std::string_view charset_parameter(std::string_view content_type) {
  constexpr std::string_view name = "charset";
  for (auto semicolon = content_type.find(';'); semicolon != std::string_view::npos;
       semicolon = content_type.find(';', semicolon + 1)) {
    auto parameter = content_type.substr(semicolon + 1);
    const auto skip_blanks = [&] {
      parameter.remove_prefix(std::min(parameter.find_first_not_of(" \t\r\n\""), parameter.size()));
    };
    skip_blanks();
    if (!is_same(parameter.substr(0, name.size()), name)) continue;
    parameter.remove_prefix(name.size());
    skip_blanks();
    if (!parameter.starts_with('=')) continue;
    parameter.remove_prefix(1);
    skip_blanks();
    return parameter.substr(0, parameter.find_first_of(" \t\r\n\";"));
  }
  return {};
}

}  // namespace imapfs::mime
