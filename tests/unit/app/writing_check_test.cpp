// What --check says of writing.
#include "app/writing_check.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace imapfs::app {
namespace {

using sync::RemovalPolicy;

std::map<std::string, std::string> described(std::set<std::string> capabilities, WritingFacts facts = {},
                                             RemovalPolicy policy = RemovalPolicy::automatic) {
  imap::ServerTraits traits;
  traits.capabilities = imap::Capabilities(std::move(capabilities));
  const auto rows = describe_writing(traits, facts, policy);
  return {rows.begin(), rows.end()};
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(WritingCheck, TellsHowAMoveIsMade) {
  EXPECT_EQ(described({"MOVE", "UIDPLUS"})["mv"], "UID MOVE");
  EXPECT_TRUE(says(described({"UIDPLUS"})["mv"], "expunged (no MOVE)"));
  EXPECT_TRUE(says(described({})["mv"], "no UIDPLUS"));
}

TEST(WritingCheck, TellsWhatAutomaticRemovalIsOnThisServer) {
  EXPECT_TRUE(says(described({"UIDPLUS"}, {"Trash", {}})["rm"], "on-delete=auto flags \\Deleted"));
  EXPECT_EQ(described({"X-GM-EXT-1", "UIDPLUS"}, {"[Gmail]/Trash", {}})["rm"], "on-delete=auto moves to [Gmail]/Trash");
}

TEST(WritingCheck, TellsWhereAPolicyCannotBeFollowed) {
  EXPECT_TRUE(says(described({}, {}, RemovalPolicy::expunge)["rm"], "refused"));
  EXPECT_TRUE(says(described({"UIDPLUS"}, {}, RemovalPolicy::trash)["rm"], "no mailbox is marked \\Trash"));
  EXPECT_TRUE(says(described({}, {}, RemovalPolicy::flag)["rm"], "nothing can be expunged"));
  EXPECT_EQ(described({"UIDPLUS"}, {}, RemovalPolicy::expunge)["rm"], "on-delete=expunge expunges at once");
}

TEST(WritingCheck, TellsLimitsAndRights) {
  EXPECT_EQ(described({"APPENDLIMIT=1000"})["new message"], "at most 1000 octets (APPENDLIMIT)");
  EXPECT_TRUE(says(described({})["new message"], "no limit told"));
  EXPECT_EQ(described({}, {"", "lrs"})["rights"], "lrs in INBOX");
  EXPECT_TRUE(says(described({})["rights"], "not told"));
}

}  // namespace
}  // namespace imapfs::app
