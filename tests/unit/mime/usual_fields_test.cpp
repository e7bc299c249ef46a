// The short ways through header fields: whatever they accept, they read exactly as GMime and GLib do.

#include <glib.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/mime/header_decode.hpp"
#include "mime/addresses.hpp"
#include "mime/encoded_words.hpp"
#include "mime/field_text.hpp"
#include "mime/name_characters.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

constexpr int fields = 100'000;

/// The same fields in every run.
class Chance {
 public:
  bool one_in(std::uint32_t number) { return below(number) == 0; }
  std::uint32_t below(std::uint32_t end) { return std::uniform_int_distribution<std::uint32_t>(0, end - 1)(engine_); }
  template <class List>
  std::string among(const List& list) {
    return std::string(std::data(list)[below(static_cast<std::uint32_t>(std::size(list)))]);
  }

 private:
  std::mt19937 engine_{4711};
};

constexpr std::array<std::string_view, 14> texts = {"Grüße",   "naïve",  "a b",  "東京",     "привет",
                                                    "e\u0301", "\u202e", "\xff", "\xe6\x9d", "\xa0\x85",
                                                    "?",       "=",      "_",    "plain"};

std::string octets(Chance& chance) {
  std::string text;
  for (auto parts = chance.below(5); parts > 0; --parts) {
    if (chance.one_in(6)) {
      text += static_cast<char>(chance.below(256));
    } else {
      text += chance.among(texts);
    }
  }
  return text;
}

std::string quoted_printable(Chance& chance, std::string_view text) {
  std::string payload;
  for (const char octet : text) {
    const bool literal = g_ascii_isalnum(octet) || chance.one_in(20);
    constexpr std::array<std::string_view, 2> digits = {"0123456789ABCDEF", "0123456789abcdef"};
    const auto& hex = digits[chance.below(2)];
    const auto value = static_cast<unsigned char>(octet);
    if (octet == ' ' && !chance.one_in(4)) payload += '_';
    else if (literal) payload += octet;
    else payload += {'=', hex[value >> 4], hex[value & 15]};
  }
  return payload;
}

std::string base64(std::string_view text) {
  gchar* encoded = g_base64_encode(reinterpret_cast<const guchar*>(text.data()), text.size());
  std::string payload = encoded;
  g_free(encoded);
  return payload;
}

std::string encoded_word(Chance& chance) {
  constexpr std::array<std::string_view, 12> charsets = {"utf-8",      "UTF-8",    "Utf-8",        "iso-8859-1",
                                                         "ISO-8859-1", "us-ascii", "iso-8859-2",   "utf-8*en",
                                                         "gb2312",     "",         "windows-1252", "utf8"};
  constexpr std::array<std::string_view, 6> encodings = {"Q", "q", "B", "b", "B", "X"};
  const auto encoding = chance.among(encodings);
  const bool is_base64 = encoding == "B" || encoding == "b";
  const auto text = octets(chance);
  const auto charset = chance.one_in(3) ? chance.among(charsets) : "utf-8";
  return "=?" + charset + "?" + encoding + "?" + (is_base64 ? base64(text) : quoted_printable(chance, text)) + "?=";
}

/// Drops, doubles or replaces an octet here and there.
std::string damaged(Chance& chance, std::string text) {
  if (text.empty() || !chance.one_in(4)) return text;
  for (auto times = 1 + chance.below(2); times > 0 && !text.empty(); --times) {
    const auto place = chance.below(static_cast<std::uint32_t>(text.size()));
    constexpr std::string_view letters = "=?_ QB\t\"<>(@,:;[]\\.\r\n\x01\x80";
    switch (chance.below(3)) {
      case 0: text.erase(place, 1); break;
      case 1: text.insert(place, 1, text[place]); break;
      default: text[place] = letters[chance.below(letters.size())]; break;
    }
  }
  return text;
}

std::string subject(Chance& chance) {
  constexpr std::array<std::string_view, 8> words = {"Re:", "[list]", "a=b", "=?", "?=", "(x)", "\"quoted\"", "é"};
  constexpr std::array<std::string_view, 7> gaps = {" ", " ", " ", "  ", "\t", "\r\n ", ""};
  std::string line;
  for (auto count = 1 + chance.below(5); count > 0; --count) {
    line += chance.one_in(3) ? chance.among(words) : chance.one_in(3) ? octets(chance) : encoded_word(chance);
    line += chance.among(gaps);
  }
  return damaged(chance, line);
}

TEST(UsualFields, EncodedWordsTakenTheShortWayReadAsGMimeReadsThem) {
  Chance chance;
  int taken = 0;
  int with_words = 0;
  for (int i = 0; i < fields; ++i) {
    const auto line = unfolded(subject(chance));
    const auto usual = decode_usual_words(line);
    if (!usual) continue;
    ++taken;
    if (line.find("=?") != std::string::npos) ++with_words;
    ASSERT_EQ(*usual, decode_words(line)) << line;
  }
  EXPECT_GT(taken, fields / 20);
  EXPECT_GT(with_words, fields / 50);
  EXPECT_LT(taken, fields * 19 / 20);
}

TEST(UsualFields, TheShortWayTakesWhatMailProgramsWrite) {
  EXPECT_EQ(decode_usual_words("Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?= 7"), "Re: Grüße aus Köln 7");
  EXPECT_EQ(decode_usual_words("=?UTF-8?B?0L/RgNC4?= =?UTF-8?B?0LLQtdGC?="), "привет");
  EXPECT_EQ(decode_usual_words("=?UTF-8?B?0L/RgNC40LI=?= =?UTF-8?B?0LXRgg==?="), "привет");
  EXPECT_EQ(decode_usual_words("=?iso-8859-1?q?caf=E9?= =?us-ascii?Q?_au?= lait"), "café au lait");
}

TEST(UsualFields, WordsBehindAPaddedOneAreNotLostOnTheLongWayEither) {
  EXPECT_EQ(decode_words("=?UTF-8?B?0L/RgNC40LI=?= =?UTF-8?B?0LXRgg==?="), "привет");
  EXPECT_EQ(decode_words("=?GB2312?B?xOM=?=  =?GB2312?B?usM=?= =?GB2312?B?xOM=?= x"), "你好你 x");
}

TEST(UsualFields, WhatIsOutOfTheOrdinaryIsLeftToGMime) {
  for (const auto* line : {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "=?utf-8?B?w7w?=", "=?utf-8?Q?a=4?=", "=?utf-8?Q?a=00b?=",
                           "a=?utf-8?Q?b?=", "=?utf-8?Q?b?=c", "=?gb2312?B?xOO6ww==?=", "=?utf-8?Q?a b?=",
                           "=?utf-8?Q?"
                           "?=",
                           "=?us-ascii?Q?=E9?=", "=?utf-8?B?====?=", "=?utf-8?Q?a?b?=", "\xfc =?utf-8?Q?b?=", "=?",
                           "=?=", "=?utf-8?=", "=?utf-8?Q?="})
    EXPECT_FALSE(decode_usual_words(line)) << line;
}

std::string sender(Chance& chance) {
  constexpr std::array<std::string_view, 20> parts = {
      "Anna",        "\"Arnold, Anna\"", "\"a <b>\"", "\"x\" y", "<",  ">",           "a@b.example",
      "<anna@b>",    "<a.b+c@d.e>",      "@",         ",",       ";",  "(comment)",   "team:",
      "[127.0.0.1]", "\"a\\\"b\"",       "é",         ".",       "=?", "<x@xn--b.de>"};
  std::string line;
  for (auto count = 1 + chance.below(4); count > 0; --count) {
    line += chance.one_in(3) ? encoded_word(chance) : chance.among(parts);
    if (!chance.one_in(4)) line += ' ';
  }
  if (chance.one_in(2)) line += "<anna@example.org>";
  return damaged(chance, line);
}

TEST(UsualFields, AddressesTakenTheShortWayReadAsGMimeReadsThem) {
  Chance chance;
  int taken = 0;
  for (int i = 0; i < fields; ++i) {
    const auto line = unfolded(sender(chance));
    const auto plain = plain_address(line);
    if (plain.empty()) continue;
    ++taken;
    ASSERT_EQ(plain, parsed_address(line)) << line;
  }
  EXPECT_GT(taken, fields / 20);
  EXPECT_LT(taken, fields * 19 / 20);
}

TEST(UsualFields, TheShortWayToAnAddressTakesNamesOfAllKinds) {
  for (const auto* line :
       {"anna@example.org", "Anna <anna@example.org>", "<anna@example.org>", "\"Arnold, Anna\" <anna@example.org>",
        "=?utf-8?Q?J=C3=BCrgen?= =?utf-8?B?TcO8bGxlcg==?= <anna@example.org>"})
    EXPECT_EQ(plain_address(line), "anna@example.org") << line;
}

std::string utf8(char32_t character) {
  std::array<char, 6> bytes{};
  return {bytes.data(), static_cast<std::size_t>(g_unichar_to_utf8(character, bytes.data()))};
}

TEST(UsualFields, CharactersKnownByTheirRangeAreWhatGLibSaysOfThem) {
  std::set<char32_t> joins_the_one_before;
  for (char32_t character = 0x80; character <= 0x10ffff; ++character) {
    gunichar first = 0;
    gunichar second = 0;
    if (g_unichar_decompose(character, &first, &second) && second != 0) joins_the_one_before.insert(second);
  }
  for (char32_t character = 0x80; character <= 0x10ffff; ++character) {
    if (!is_usual(character)) continue;
    ASSERT_FALSE(is_unsafe(character) || is_blank(character) || is_combining(character)) << utf8(character);
    ASSERT_FALSE(joins_the_one_before.contains(character)) << utf8(character);
    ASSERT_EQ(g_unichar_combining_class(character), 0) << utf8(character);
    ASSERT_EQ(to_utf8(utf8(character)), utf8(character));
    ASSERT_TRUE(is_safe_in_name(character));
  }
}

TEST(UsualFields, TextOfSuchCharactersIsShownAsItIs) {
  Chance chance;
  int usual = 0;
  for (int i = 0; i < fields; ++i) {
    const auto text = octets(chance);
    if (!is_usual_text(text)) continue;
    ++usual;
    ASSERT_EQ(to_utf8(text), text);
  }
  EXPECT_GT(usual, fields / 20);
}

}  // namespace
}  // namespace imapfs::mime
