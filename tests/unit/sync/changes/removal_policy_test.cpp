// The policy of removal.

#include <gtest/gtest.h>

#include "sync/changes/removal_policy.hpp"

namespace imapfs::sync {
namespace {

Result<Removal> plan(RemovalPolicy policy, std::set<std::string> words, const std::string& mailbox = "INBOX",
                     const std::string& trash = "Bin") {
  return plan_removal(policy, imap::Capabilities(std::move(words)), mailbox, trash);
}

TEST(RemovalPolicyTable, FlagsByItself) {
  EXPECT_EQ(*plan(RemovalPolicy::automatic, {"UIDPLUS"}), Removal::flag);
  EXPECT_EQ(*plan(RemovalPolicy::flag, {"UIDPLUS", "X-GM-EXT-1"}), Removal::flag);
}

TEST(RemovalPolicyTable, UsesTheTrashWhereFlaggingDoesNotDelete) {
  EXPECT_EQ(*plan(RemovalPolicy::automatic, {"UIDPLUS", "X-GM-EXT-1"}), Removal::trash);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}), Removal::trash);
}

TEST(RemovalPolicyTable, ExpungesWhatIsInTheTrashAndFlagsWhereThereIsNone) {
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}, "Bin"), Removal::expunge);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {}, "Bin"), Removal::flag);
  EXPECT_EQ(*plan(RemovalPolicy::trash, {"UIDPLUS"}, "INBOX", ""), Removal::flag);
}

TEST(RemovalPolicyTable, RefusesToExpungeWithoutUidplus) {
  EXPECT_EQ(*plan(RemovalPolicy::expunge, {"UIDPLUS"}), Removal::expunge);
  const auto refused = plan(RemovalPolicy::expunge, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EOPNOTSUPP);
}

}  // namespace
}  // namespace imapfs::sync
