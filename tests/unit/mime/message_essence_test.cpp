#include "imapfs/mime/message_essence.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace imapfs::mime {
namespace {

/// Whether what a server keeps is what was sent, whatever the pieces in which it comes.
bool is_kept(const std::string& sent, const std::string& kept, std::size_t piece = 3) {
  MessageEssence ours;
  ours.take(sent);
  ours.finish();
  MessageEssence theirs;
  for (std::size_t at = 0; at < kept.size(); at += piece)
    theirs.take(std::span(kept).subspan(at, std::min(piece, kept.size() - at)));
  theirs.finish();
  return ours.is_in(theirs);
}

const std::string sent_mail = "Subject: new\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n\r\nAnna\r\n";

TEST(MessageEssence, IsKeptWhereFieldsAreAddedAnywhereInTheHeader) {
  EXPECT_TRUE(is_kept(sent_mail, sent_mail));
  EXPECT_TRUE(is_kept(sent_mail, "Received: by here\r\n\tat noon\r\n" + sent_mail));
  EXPECT_TRUE(
      is_kept(sent_mail, "Message-ID: <1@example.org>\r\nX-UID: 7\r\nSubject: new\r\n\r\nHello.\r\n\r\nAnna\r\n"));
}

TEST(MessageEssence, IsKeptUnderOtherLineEnds) {
  EXPECT_TRUE(is_kept(sent_mail, "Subject: new\nMessage-ID: <1@example.org>\n\nHello.\n\nAnna\n", 1));
  EXPECT_TRUE(is_kept(sent_mail, sent_mail + "\r\n")) << "an empty line more at the end";
  EXPECT_TRUE(is_kept(sent_mail, sent_mail.substr(0, sent_mail.size() - 2), 1)) << "none at the end";
  EXPECT_FALSE(is_kept("a: b\r\n\r\nx\ry", "a: b\r\n\r\nxy", 1)) << "a bare CR is text";
}

TEST(MessageEssence, IsNotKeptWhereAnythingIsMissingOrAnother) {
  EXPECT_FALSE(is_kept(sent_mail, "Subject: new\r\n\r\nHello.\r\n\r\nAnna\r\n")) << "a field";
  EXPECT_FALSE(is_kept(sent_mail, "Subject: old\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n\r\nAnna\r\n"));
  EXPECT_FALSE(is_kept(sent_mail, sent_mail.substr(0, sent_mail.size() - 4))) << "cut short";
  EXPECT_FALSE(is_kept(sent_mail, "Subject: new\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\nAnna\r\n"))
      << "an empty line within";
}

TEST(MessageEssence, CountsEmptyLinesHoweverManyThereAre) {
  const auto spread = [](std::size_t lines) { return "a: b\r\n\r\nx" + std::string(lines, '\n') + "y"; };
  EXPECT_TRUE(is_kept(spread(300'000), spread(300'000), 4096));
  EXPECT_FALSE(is_kept(spread(300'000), spread(299'999), 4096));
}

TEST(MessageEssence, OfAHeaderWithoutEndIsNotCompared) {
  const auto endless = "a: " + std::string(2 << 20, 'b') + "\r\n\r\n";
  EXPECT_FALSE(is_kept(endless, endless, 1 << 16));
}

}  // namespace
}  // namespace imapfs::mime
