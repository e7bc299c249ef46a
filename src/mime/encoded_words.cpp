#include "mime/encoded_words.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <vector>

#include "imapfs/mime/header_decode.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

enum class Charset : std::uint8_t { other, utf_8, latin_1, ascii };

struct EncodedWord {
  Charset charset = Charset::other;
  char encoding = 0;
  std::string_view payload;
};

bool is_graphic(char letter) { return letter > ' ' && letter < 0x7f; }

Charset charset_of(std::string_view name) {
  const auto is = [name](std::string_view known) {
    return name.size() == known.size() && g_ascii_strncasecmp(name.data(), known.data(), known.size()) == 0;
  };
  if (is("utf-8")) return Charset::utf_8;
  if (is("iso-8859-1")) return Charset::latin_1;
  return is("us-ascii") ? Charset::ascii : Charset::other;
}

/// Splits a text that is exactly one word, "=?charset?encoding?payload?=".
EncodedWord take_apart(std::string_view word) {
  constexpr std::string_view begin = "=?";
  constexpr std::string_view end = "?=";
  if (word.size() < begin.size() + end.size() || !word.ends_with(end)) return {};
  word = word.substr(begin.size(), word.size() - begin.size() - end.size());
  const auto mark = word.find('?');
  if (mark == std::string_view::npos || word.size() < mark + 4 || word[mark + 2] != '?') return {};
  const auto payload = word.substr(mark + 3);
  if (payload.find('?') != std::string_view::npos) return {};
  return {charset_of(word.substr(0, mark)), g_ascii_toupper(word[mark + 1]), payload};
}

/// False for a '=' without two digits after it: GMime repairs such words, and joins text that was split between two.
bool append_quoted_printable(std::string& text, std::string_view payload) {
  for (std::size_t i = 0; i < payload.size(); ++i) {
    if (payload[i] != '=') {
      text += payload[i] == '_' ? ' ' : payload[i];
      continue;
    }
    if (payload.size() - i < 3) return false;
    const int high = g_ascii_xdigit_value(payload[i + 1]);
    const int low = g_ascii_xdigit_value(payload[i + 2]);
    if (high < 0 || low < 0) return false;
    text += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

/// False for anything but whole groups of four digits.
bool append_base64(std::string& text, std::string_view payload) {
  const auto is_digit = [](char letter) { return g_ascii_isalnum(letter) || letter == '+' || letter == '/'; };
  auto digits = payload;
  for (int padding = 0; padding < 2 && digits.ends_with('='); ++padding) digits.remove_suffix(1);
  if (payload.size() % 4 != 0 || !std::all_of(digits.begin(), digits.end(), is_digit)) return false;
  const std::size_t before = text.size();
  text.resize(before + payload.size());
  gint state = 0;
  guint save = 0;
  const auto length = g_base64_decode_step(payload.data(), payload.size(),
                                           reinterpret_cast<guchar*>(text.data() + before), &state, &save);
  text.resize(before + length);
  return true;
}

/// Converts the text from `begin` on to UTF-8. False if it is not valid in its charset.
bool convert(std::string& text, std::size_t begin, Charset charset) {
  const auto octets = std::string_view(text).substr(begin);
  if (octets.find('\0') != std::string_view::npos) return false;
  if (is_ascii(octets)) return true;
  if (charset == Charset::utf_8) return is_valid_utf8(octets);
  if (charset != Charset::latin_1) return false;
  std::string converted;
  for (const char octet : octets) {
    const auto character = static_cast<unsigned char>(octet);
    if (character < 0x80) {
      converted += octet;
    } else {
      converted += static_cast<char>(0xc0 | character >> 6);
      converted += static_cast<char>(0x80 | (character & 0x3f));
    }
  }
  text.replace(begin, std::string::npos, converted);
  return true;
}

/// Finds two neighbouring encoded words of which the first is base64 with padding; returns the end of the first. GMime
/// 3.2 takes the second for a continuation and loses it, but each word is complete by itself (RFC 2047 §5).
std::size_t end_of_padded_word(std::string_view line) {
  constexpr std::string_view padded_end = "=?=";
  for (auto place = line.find(padded_end); place != std::string_view::npos; place = line.find(padded_end, place + 1)) {
    const auto end = place + padded_end.size();
    const auto next = line.find_first_not_of(' ', end);
    if (next == end || next == std::string_view::npos || line.compare(next, 2, "=?") != 0) continue;
    const auto blank = line.rfind(' ', place);
    const auto begin = blank == std::string_view::npos ? 0 : blank + 1;
    if (take_apart(line.substr(begin, end - begin)).encoding == 'B') return end;
  }
  return std::string_view::npos;
}

std::string decode_by_gmime(const std::string& line) {
  const std::unique_ptr<char, decltype(&g_free)> decoded(g_mime_utils_header_decode_text(nullptr, line.c_str()),
                                                         &g_free);
  return decoded ? std::string(decoded.get()) : line;
}

bool append_decoded(std::string& text, std::string_view word) {
  const auto encoded = take_apart(word);
  if (encoded.charset == Charset::other) return false;
  const std::size_t begin = text.size();
  const bool decoded = encoded.encoding == 'Q'   ? append_quoted_printable(text, encoded.payload)
                       : encoded.encoding == 'B' ? append_base64(text, encoded.payload)
                                                 : false;
  return decoded && convert(text, begin, encoded.charset);
}

}  // namespace

namespace {

/// A word of base64 in a line, up to its "?=".
struct Base64Word {
  std::size_t begin = 0;  ///< of the word, "=?"
  std::size_t payload = 0;
  std::size_t end = 0;  ///< of the payload
  [[nodiscard]] std::size_t length() const { return end - payload; }
};

std::optional<Base64Word> next_base64_word(std::string_view line, std::size_t from) {
  for (auto begin = line.find("=?", from); begin != std::string_view::npos; begin = line.find("=?", begin + 2)) {
    const auto mark = line.find('?', begin + 2);
    if (mark == std::string_view::npos) break;
    if (mark + 2 >= line.size() || g_ascii_toupper(line[mark + 1]) != 'B' || line[mark + 2] != '?') continue;
    const auto end = line.find('?', mark + 3);
    if (end == std::string_view::npos) break;
    if (line.compare(end, 2, "?=") == 0) return Base64Word{begin, mark + 3, end};
  }
  return std::nullopt;
}

/// The next words that follow each other with nothing but spaces between them.
std::vector<Base64Word> next_chain(std::string_view line, std::size_t from) {
  std::vector<Base64Word> chain;
  for (auto word = next_base64_word(line, from); word; word = next_base64_word(line, word->end)) {
    if (!chain.empty() && line.find_first_not_of(' ', chain.back().end + 2) != word->begin) break;
    chain.push_back(*word);
  }
  return chain;
}

}  // namespace

std::string with_padding(std::string line) {
  std::vector<Base64Word> incomplete;
  for (auto chain = next_chain(line, 0); !chain.empty(); chain = next_chain(line, chain.back().end)) {
    std::size_t octets = 0;
    for (const auto& word : chain) octets += word.length();
    if (chain.size() > 1 && octets % 4 == 0) continue;
    std::copy_if(chain.begin(), chain.end(), std::back_inserter(incomplete),
                 [](const Base64Word& word) { return word.length() % 4 > 1; });
  }
  // From the back, so that the positions before it stay valid.
  for (auto word = incomplete.rbegin(); word != incomplete.rend(); ++word)
    line.insert(word->end, 4 - word->length() % 4, '=');
  return line;
}

std::string decode_words(const std::string& as_sent) {
  initialise_mime();
  const auto line = with_padding(as_sent);
  std::string text;
  std::string_view rest = line;
  for (auto end = end_of_padded_word(rest); end != std::string_view::npos; end = end_of_padded_word(rest)) {
    text += decode_by_gmime(std::string(rest.substr(0, end)));
    rest.remove_prefix(rest.find_first_not_of(' ', end));
  }
  return text + decode_by_gmime(std::string(rest));
}

std::optional<std::string> decode_usual_words(std::string_view line) {
  std::string text;
  text.reserve(line.size());
  bool encoded_before = false;
  while (!line.empty()) {
    const auto blanks = line.substr(0, std::min(line.find_first_not_of(' '), line.size()));
    line.remove_prefix(blanks.size());
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    const bool encoded = word.starts_with("=?");
    // White space between two encoded words is not part of the text.
    if (!encoded || !encoded_before) text += blanks;
    encoded_before = encoded;
    if (!std::all_of(word.begin(), word.end(), is_graphic)) return std::nullopt;
    if (encoded) {
      if (!append_decoded(text, word)) return std::nullopt;
    } else if (word.find("=?") == std::string_view::npos) {
      text += word;
    } else {
      return std::nullopt;
    }
  }
  return text;
}

}  // namespace imapfs::mime
