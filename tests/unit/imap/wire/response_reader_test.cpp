#include "imap/wire/response_reader.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "imap/wire/deflate_codec.hpp"
#include "imap/wire/fetch_parser.hpp"
#include "text_stream.hpp"

namespace imapfs::imap::test {
namespace {

constexpr std::size_t small_line = 1024;

class ReaderOf {
 public:
  explicit ReaderOf(std::string text, std::size_t piece = 1 << 20)
      : transport(std::make_unique<TextStream>(std::move(text), piece)), reader(transport, small_line) {
    reader.set_context(context);
  }
  CallContext context;
  Transport transport;
  ResponseReader reader;
};

class Collector final : public BodySink, public BodyReceiver {
 public:
  Result<void> begin(std::uint64_t) override { return {}; }
  Result<void> data(std::span<const char> bytes) override {
    text.append(bytes.data(), bytes.size());
    return {};
  }
  Result<BodySink*> receive(const BodyLabel&, std::uint64_t) override { return this; }
  [[nodiscard]] bool accepts(Uid) const override { return true; }
  std::string text;
};

TEST(ResponseReader, GivesLinesWithoutTheirEndWhicheverItIs) {
  ReaderOf of("one\r\ntwo\nthree\r\n");
  std::vector<std::string> lines;
  while (of.reader.next()) {
    lines.emplace_back(of.reader.rest());
    ASSERT_TRUE(of.reader.finish());
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(ResponseReader, TheSameRowComesOutHoweverItIsCutIntoPieces) {
  const std::string row =
      "* 1 FETCH (UID 5 X (a \"b)\" {3}\r\n)\r\n (c)) FLAGS (\\Seen) BODY[] {11}\r\nhello\r\nyou\n MODSEQ (9))\r\nend\r\n";
  for (std::size_t piece = 1; piece <= row.size(); ++piece) {
    ReaderOf of(row, piece);
    ASSERT_TRUE(of.reader.next());
    of.reader.skip(std::string_view("* 1 FETCH ").size());
    FetchParser parser;
    Collector body;
    const auto parsed = parser.parse(of.reader, &body);
    ASSERT_TRUE(parsed) << "pieces of " << piece;
    EXPECT_EQ(parsed->uid, Uid{5});
    EXPECT_EQ(parsed->modseq, ModSeq{9});
    EXPECT_EQ(body.text, "hello\r\nyou\n");
    ASSERT_TRUE(of.reader.finish());
    ASSERT_TRUE(of.reader.next());
    EXPECT_EQ(of.reader.rest(), "end") << "pieces of " << piece;
  }
}

TEST(ResponseReader, FinishSkipsLiteralsButNotTextThatLooksLikeOne) {
  ReaderOf of("a {3}\r\nx\r\n b \"{9}\" {2+}\r\n\r\n c\r\nsays \"{5}\r\nnext\r\n");
  ASSERT_TRUE(of.reader.next());
  ASSERT_TRUE(of.reader.finish());
  ASSERT_TRUE(of.reader.next());
  EXPECT_EQ(of.reader.rest(), "says \"{5}");
  of.reader.rest_is_text();
  ASSERT_TRUE(of.reader.finish());
  ASSERT_TRUE(of.reader.next());
  EXPECT_EQ(of.reader.rest(), "next");
}

TEST(ResponseReader, ALineAtTheBoundIsRead) {
  ReaderOf fits(std::string(small_line, 'x') + "\r\n");
  EXPECT_FALSE(ReaderOf(std::string(small_line + 1, 'x') + "\r\n").reader.next());
  ReaderOf below(std::string(small_line - 1, 'x') + "\r\n");
  EXPECT_TRUE(below.reader.next());
}

TEST(ResponseReader, NumbersDoNotWrap) {
  ReaderOf of("18446744073709551615 18446744073709551616 x\r\n");
  ASSERT_TRUE(of.reader.next());
  EXPECT_EQ(of.reader.number(), UINT64_MAX);
  of.reader.skip_spaces();
  EXPECT_FALSE(of.reader.number());
}

TEST(ResponseReader, StringsAreAtomsQuotedLiteralsOrNil) {
  ReaderOf of("atom \"a \\\"b\\\\\" {5}\r\nfives NIL \"NIL\" \"open\r\n");
  ASSERT_TRUE(of.reader.next());
  std::vector<std::string> values;
  std::string storage;
  while (!of.reader.at_end()) {
    const auto value = of.reader.string(storage, 4);
    ASSERT_TRUE(value);
    values.emplace_back(value->value_or("<nil>"));
    of.reader.skip_spaces();
  }
  EXPECT_EQ(values, (std::vector<std::string>{"atom", "a \"b", "five", "<nil>", "NIL", "open"}));
}

TEST(ResponseReader, ListsOfAnyDepthAreSkippedWithoutRecursion) {
  ReaderOf of(std::string(400, '(') + "x" + std::string(400, ')') + " after\r\n");
  ASSERT_TRUE(of.reader.next());
  ASSERT_TRUE(of.reader.skip_value());
  of.reader.skip_spaces();
  EXPECT_EQ(of.reader.rest(), "after");
}

TEST(ResponseReader, TheEndOfTheStreamIsAnErrorThatCostsTheSession) {
  ReaderOf of("no end");
  const auto outcome = of.reader.next();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
  EXPECT_EQ(outcome.error().retry, Retry::now);
}

TEST(Compression, WhatOneSideWritesTheOtherReads) {
  DeflateCodec server;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += fmt::format("* {} FETCH (UID {})\r\n", i, i);
  const auto compressed = server.compress(text);
  ASSERT_TRUE(compressed);
  EXPECT_LT(compressed->size(), text.size() / 4);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{1} << 20}) {
    Transport transport(std::make_unique<TextStream>(compressed->substr(10), piece));
    ASSERT_TRUE(transport.start_compression(compressed->substr(0, 10), nullptr));
    ASSERT_TRUE(transport.wait_readable({}));
    std::string got;
    std::array<char, 1000> buffer;
    while (got.size() < text.size()) {
      const auto count = transport.read(buffer, {});
      ASSERT_TRUE(count);
      got.append(buffer.data(), *count);
    }
    EXPECT_EQ(got, text);
  }
}

TEST(Compression, DamagedDataIsAnError) {
  Transport transport(std::make_unique<TextStream>(std::string(100, '\xff')));
  ASSERT_TRUE(transport.start_compression({}, nullptr));
  std::array<char, 100> buffer;
  const auto outcome = transport.read(buffer, {});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().scope, Scope::session);
}

}  // namespace
}  // namespace imapfs::imap::test
