#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "imapfs/mime/names.hpp"

namespace imapfs::mime {
namespace {

using namespace std::string_literals;

struct Pair {
  std::string level;
  std::string component;
};

const std::vector<Pair> level_pairs = {
    {"INBOX", "INBOX"},
    {"Entwürfe", "Entwürfe"},
    {"a b", "a b"},
    {" x ", " x "},
    {"-x", "-x"},
    {"a/b", "a%2Fb"},
    {".hidden", "%2Ehidden"},
    {"a.b", "a.b"},
    {".", "%2E"},
    {"..", "%2E."},
    {"", "%20"},
    {"100%", "100%"},
    {"%2F", "%252F"},
    {"%2f", "%2f"},
    {"%zz", "%zz"},
    {"a\nb", "a%0Ab"},
    {"\x1b[31m", "%1B[31m"},
    {"\x7f", "%7F"},
    {"\xff\xfe", "%FF%FE"},
    {"\xc2\x85", "%C2%85"},
    {"a\u202e", "a%E2%80%AE"},
    {"\u200b", "%E2%80%8B"},
    {"\u2028", "%E2%80%A8"},
    {"a\0"s, "a%00"},
    {"u\xcc\x88", "u\xcc\x88"},
    {"'$(x)'", "'$(x)'"},
    {"%20", "%2520"},
};

TEST(MailboxLevels, AreExactExceptForWhatAPathCannotHold) {
  for (const auto& [level, component] : level_pairs) EXPECT_EQ(component_from_mailbox_level(level), component);
}

TEST(MailboxLevels, RoundTrip) {
  for (const auto& [level, component] : level_pairs) {
    const auto back = mailbox_level_from_component(component);
    ASSERT_TRUE(back) << component;
    EXPECT_EQ(*back, level);
  }
}

TEST(MailboxLevels, RoundTripForAnyBytes) {
  std::mt19937 random(20261122);
  const std::string alphabet = "%%2EF.0/\xc3\xbc\xe2\x80\xae\x01 ab\xff"s + '\0';
  for (int round = 0; round < 5000; ++round) {
    std::string level;
    for (auto length = random() % 8; length > 0; --length) level += alphabet[random() % alphabet.size()];
    const std::string component = component_from_mailbox_level(level);
    ASSERT_FALSE(component.empty() || component.starts_with('.') || component.find('/') != std::string::npos)
        << component;
    const auto back = mailbox_level_from_component(component);
    ASSERT_TRUE(back) << component;
    ASSERT_EQ(*back, level);
  }
}

TEST(MailboxLevels, OneMailboxHasOnePath) {
  for (const auto* component :
       {"", "a/b", ".", "..", ".hidden", "%41", "%2e%2E", "a%2Eb", "a\n", "\xff", "%C3%BC", "\u202e"}) {
    const auto level = mailbox_level_from_component(component);
    const bool refused = !level && level.error().errnum == EINVAL;
    EXPECT_TRUE(refused) << component;
  }
}

const std::vector<Pair> wire_pairs = {
    {"INBOX", "INBOX"},
    {"Entwürfe", "Entw&APw-rfe"},
    {"a&b", "a&-b"},
    {"日本語", "&ZeVnLIqe-"},
    {"日本語&台北", "&ZeVnLIqe-&-&U,BTFw-"},
    {"😀", "&2D3eAA-"},
    {"-ü-", "-&APw--"},
    {"&", "&-"},
    {"a\tb", "a&AAk-b"},
    {"", ""},
    {"&AGE-", "&-AGE-"},
};

TEST(MailboxWireNames, RoundTripThroughModifiedUtf7) {
  for (const auto& [utf8, wire] : wire_pairs) {
    const auto encoded = encode_mailbox_name(utf8);
    ASSERT_TRUE(encoded) << utf8;
    EXPECT_EQ(*encoded, wire);
    const auto decoded = decode_mailbox_name(wire);
    EXPECT_EQ(decoded.utf8, utf8);
    EXPECT_TRUE(decoded.exact);
  }
}

TEST(MailboxWireNames, WhatIsNotModifiedUtf7IsKept) {
  for (const std::string& wire : {"&"s, "a&"s, "&AGE-"s, "&2D0-"s, "&3Kk-"s, "&ZeVnLIqe"s, "Entw\xc3\xbcrfe"s,
                                  "M\xfcll"s, "&===-"s, "&A-"s, "&Zeg/-"s, "a\tb"s, "&AAA-"s, "a\0b"s, "&ZeU-&Zyw-"s}) {
    const auto decoded = decode_mailbox_name(wire);
    EXPECT_EQ(decoded.utf8, wire);
    EXPECT_FALSE(decoded.exact) << wire;
  }
}

TEST(MailboxWireNames, DecodingAfterAFailureStartsAfresh) {
  EXPECT_FALSE(decode_mailbox_name("&ZeV").exact);
  EXPECT_EQ(decode_mailbox_name("plain&APw-").utf8, "plainü");
  EXPECT_FALSE(encode_mailbox_name("ü\xff"));
  EXPECT_EQ(*encode_mailbox_name("plain"), "plain");
}

TEST(MailboxWireNames, InvalidUtf8IsRefused) {
  for (const std::string& name : {"\xff"s, "a\xc3"s, "\xed\xa0\x80"s, "\xc0\x80"s, "a\0b"s}) {
    const auto wire = encode_mailbox_name(name);
    ASSERT_FALSE(wire) << name;
    EXPECT_EQ(wire.error().errnum, EINVAL);
  }
}

TEST(MailboxWireNames, ExactMeansThatTheWireNameComesBack) {
  std::mt19937 random(20261122);
  const std::string alphabet = "&-,+AaZz09/\xc3\xbc=\t ~";
  int exact = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string wire;
    for (auto length = random() % 10; length > 0; --length) wire += alphabet[random() % alphabet.size()];
    const auto decoded = decode_mailbox_name(wire);
    if (!decoded.exact) continue;
    ++exact;
    const auto again = encode_mailbox_name(decoded.utf8);
    ASSERT_TRUE(again);
    ASSERT_EQ(*again, wire);
  }
  EXPECT_GT(exact, 100);
}

TEST(MailboxWireNames, LongNamesFit) {
  std::string name;
  for (int i = 0; i < 5000; ++i) name += i % 2 == 0 ? "\x01" : "a";
  const auto wire = encode_mailbox_name(name);
  ASSERT_TRUE(wire);
  EXPECT_EQ(decode_mailbox_name(*wire).utf8, name);
}

TEST(MailboxWireNames, ThreadsDoNotShareShiftState) {
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4);
  for (auto& count : wrong) {
    threads.emplace_back([&count] {
      for (int i = 0; i < 500; ++i) count += decode_mailbox_name("&ZeVnLIqe-x").utf8 != "日本語x";
    });
  }
  threads.clear();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace imapfs::mime
