#include "imapfs/mime/message_form.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace imapfs::mime {
namespace {

using Chunks = std::vector<std::string>;

Result<MessageForm> inspect(const Chunks& chunks) {
  MessageInspector inspector;
  for (const auto& chunk : chunks) inspector.take(chunk);
  return inspector.finish();
}
Result<MessageForm> inspect(const std::string& text) { return inspect(Chunks{text}); }

std::string refusal(const std::string& text) {
  const auto form = inspect(text);
  if (form) return "taken";
  EXPECT_EQ(form.error().errnum, EINVAL);
  return form.error().what;
}

/// Through a window of `room` octets, chunk by chunk.
std::string canonical(const Chunks& chunks, std::size_t room) {
  LineEndCanonicalizer canonicalizer;
  std::string result;
  std::string window(room, '\0');
  for (const auto& chunk : chunks) {
    for (std::span<const char> rest = chunk; !rest.empty();) {
      std::size_t consumed = 0;
      const auto written = canonicalizer.convert(rest, consumed, window);
      if (written == 0 && consumed == 0) return "stuck";
      result.append(window, 0, written);
      rest = rest.subspan(consumed);
    }
  }
  return result;
}
std::string canonical(const std::string& text) { return canonical(Chunks{text}, 4096); }

void expect_same(const Result<MessageForm>& left, const Result<MessageForm>& right) {
  ASSERT_EQ(left.has_value(), right.has_value());
  if (!left) {
    EXPECT_EQ(left.error().what, right.error().what);
    return;
  }
  EXPECT_EQ(left->canonical_size, right->canonical_size);
  EXPECT_EQ(left->needs_conversion, right->needs_conversion);
  EXPECT_EQ(left->message_id, right->message_id);
}

using namespace std::string_literals;

const std::vector<std::string>& samples() {
  static const std::vector<std::string> all = {
      "Subject: x\r\nMessage-ID: <a@b>\r\n\r\nHello\r\nWorld\r\n",
      "Subject: x\nMessage-ID: <a@b>\n\nHello\nWorld\n",
      "message-id :\r\n\t<a@b>\r\n (comment)\r\nX: y\r\n",
      "Message-ID:\nMessage-ID: <second>\nMessage-ID: <third>\n\n",
      "Subject: x\r\r\n\r\nA\rB\r\n\n\r\r\n",
      "X: y\n\rMessage-ID: <no>\nMessage-ID: <a\rb>\r\r",
      "From: anna@example.org\r\n\r\n",
      "From : anna@example.org\r\n\r\n",
      "From anna@example.org Fri Nov 20 09:30:00 2026\nSubject: x\n\n",
      "From ",
      "no header at all\n\nbody\n",
      "Sub ject: x\n",
      " Subject: x\n",
      ": x\n",
      "\r\nbody\r\n",
      "\n",
      "\r",
      "Subject",
      "Subject\r\n: x\r\n",
      "Sub\rject: x\r\n",
      "X: y\nnot a field\nMessage-ID: <a@b>\n\nMessage-ID: <body>\n",
      "X: y\r\n\r\nbo\0dy\r\n"s,
      "\0"s,
      "X: y\n\xff\xfe: 8bit\n\n\xff\n",
      "Message-ID: " + std::string(1200, 'm') + "\r\n\r\n",
      "",
  };
  return all;
}

TEST(MessageForm, IsTheSameHoweverAMessageIsCut) {
  for (const auto& sample : samples()) {
    SCOPED_TRACE(sample);
    const auto whole = inspect(sample);
    Chunks octets;
    for (const char octet : sample) octets.emplace_back(1, octet);
    expect_same(inspect(octets), whole);
    for (std::size_t cut = 0; cut <= std::min<std::size_t>(sample.size(), 100); ++cut)
      expect_same(inspect(Chunks{sample.substr(0, cut), sample.substr(cut)}), whole);
  }
}

TEST(MessageForm, SaysHowLongTheConvertedMessageIs) {
  for (const auto& sample : samples()) {
    SCOPED_TRACE(sample);
    const auto form = inspect(sample);
    const auto converted = canonical(sample);
    if (form) {
      EXPECT_EQ(form->canonical_size, converted.size());
      EXPECT_EQ(form->needs_conversion, converted != sample);
    }
    for (std::size_t cut = 0; cut <= std::min<std::size_t>(sample.size(), 100); ++cut)
      for (const std::size_t room : {1u, 2u, 3u, 7u})
        EXPECT_EQ(canonical(Chunks{sample.substr(0, cut), sample.substr(cut)}, room), converted);
  }
}

TEST(MessageForm, BareLineFeedsBecomeCrlfAndNothingElseChanges) {
  EXPECT_EQ(canonical("A: b\n\nx\r\ny\rz\n\r\r\n\n"), "A: b\r\n\r\nx\r\ny\rz\r\n\r\r\n\r\n");
  EXPECT_EQ(canonical("A: b\r\n\r\nlast line"), "A: b\r\n\r\nlast line");
}

TEST(MessageForm, AHeaderAloneIsAMessage) {
  for (const auto* text :
       {"Subject: x\r\n\r\n", "Subject: x\r\n", "Subject: x", "Subject:", "X-y!: \r\n", "From : anna\n"})
    EXPECT_EQ(refusal(text), "taken") << text;
}

TEST(MessageForm, LinesMayBeLong) { EXPECT_EQ(refusal("X: " + std::string(1 << 20, 'x')), "taken"); }

TEST(MessageForm, NothingIsRefused) { EXPECT_NE(refusal("").find("nothing"), std::string::npos); }

TEST(MessageForm, ANulIsRefusedWithItsLine) {
  EXPECT_NE(refusal("X: y\r\n\r\nbo\0dy"s).find("line 3"), std::string::npos);
  EXPECT_NE(refusal("X: y\n\n\n\0"s).find("line 4"), std::string::npos);
  EXPECT_NE(refusal("X\0: y"s).find("line 1"), std::string::npos);
}

TEST(MessageForm, AnMboxIsRefusedWithTheCure) {
  for (const auto* text : {"From anna@example.org Fri Nov 20\nSubject: x\n\n", "From ", "From \n"})
    EXPECT_NE(refusal(text).find("remove this line"), std::string::npos) << text;
}

TEST(MessageForm, WhatDoesNotBeginWithAFieldIsRefused) {
  for (const auto* text : {"hello world\n", "\r\nbody\r\n", "\n", " X: y\n", ": y\n", "Subject\n", "Subject",
                           "\xef\xbb\xbfSubject: x\n", "Fromage is cheese\n", "#!/bin/sh\n", "From\tx\n"})
    EXPECT_NE(refusal(text).find("line 1 does not begin"), std::string::npos) << text;
}

TEST(MessageForm, TheMessageIdIsUnfoldedAndTrimmed) {
  const auto message_id = [](const std::string& text) { return inspect(text)->message_id; };
  EXPECT_EQ(message_id("MESSAGE-id: \t <a@b> \t\r\nX: y\r\n"), "<a@b>");
  EXPECT_EQ(message_id("Message-ID:\r\n <a@b>\r\n\t(c)\r\nX: y\r\n"), "<a@b>\t(c)");
  EXPECT_EQ(message_id("Message-ID : <a@b>"), "<a@b>");
  EXPECT_EQ(message_id("Message-ID: <a@b>\r"), "<a@b>");
  EXPECT_EQ(message_id("Message-ID:\r\nMessage-ID: <second>\r\nMessage-ID: <third>\r\n"), "<second>");
  EXPECT_EQ(message_id("X-Message-ID: <a>\nMessage-IDs: <b>\nMessage-I: <c>\nReferences: <d>\n"), "");
  EXPECT_EQ(message_id("X: y\n\nMessage-ID: <body>\n"), "");
  EXPECT_EQ(message_id("Message-ID: " + std::string(5000, 'm')), std::string(998, 'm'));
}

TEST(MessageForm, HoldsForRandomMessages) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  const std::vector<std::string> words = {"\n", "\n",    "\r\n", "\r\n",       "\r", " ",         "\t",
                                          ":",  "From ", "X: y", "Message-ID", "a",  "Subject: ", "<a@b>"};
  for (int round = 0; round < 3000; ++round) {
    std::string text = below(4) == 0 ? "" : "X: y";
    for (std::size_t count = below(20); count > 0; --count) text += words[below(words.size())];
    if (below(20) == 0) text += '\0';
    Chunks chunks;
    for (std::size_t from = 0; from < text.size();) {
      const auto length = 1 + below(5);
      chunks.push_back(text.substr(from, length));
      from += length;
    }
    SCOPED_TRACE(::testing::PrintToString(text));
    const auto form = inspect(text);
    expect_same(inspect(chunks), form);
    const auto converted = canonical(chunks, 1 + below(6));
    ASSERT_EQ(converted, canonical(text));
    ASSERT_EQ(form ? form->canonical_size : converted.size(), converted.size());
    // What has been converted needs no conversion.
    ASSERT_EQ(canonical(converted), converted);
  }
}

}  // namespace
}  // namespace imapfs::mime
