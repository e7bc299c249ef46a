#include "vfs/nodes/node_aliases.hpp"

#include <gtest/gtest.h>

#include "two_mailboxes.hpp"

namespace imapfs::vfs::two_mailboxes {
namespace {

TEST(NodeAliases, ANodeStandsForWhatItsMessageHasBecome) {
  NodeAliases aliases;
  EXPECT_TRUE(aliases.empty());
  aliases.stand_for(node(7), 77, location(archive, 101));
  EXPECT_EQ(aliases.message_of(node(7)), location(archive, 101));
  EXPECT_EQ(aliases.node_of(location(archive, 101), false)->node, node(7));
  EXPECT_EQ(aliases.node_of(location(archive, 101), false)->generation, 77u);
  EXPECT_FALSE(aliases.empty());
  aliases.stand_alone(node(7));
  EXPECT_FALSE(aliases.message_of(node(7)));
}

TEST(NodeAliases, AMessageWhoseNodeIsTakenByAFileGetsAStandIn) {
  NodeAliases aliases;
  const auto stand_in = aliases.node_of(location(inbox, 7), true);
  ASSERT_TRUE(stand_in);
  EXPECT_NE(stand_in->node, node(7));
  EXPECT_EQ(aliases.message_of(stand_in->node), location(inbox, 7));
}

TEST(NodeAliases, AMessageThatMovedOnHasOneNodeOnly) {
  NodeAliases aliases;
  aliases.stand_for(node(7), 77, location(archive, 101));
  aliases.stand_for(node(7), 77, location(inbox, 9));
  EXPECT_FALSE(aliases.node_of(location(archive, 101), false));
  EXPECT_EQ(aliases.node_of(location(inbox, 9), false)->node, node(7));
}

TEST(NodeAliases, BackUnderItsOwnNumberItNeedsNoAlias) {
  NodeAliases aliases;
  aliases.stand_for(node(7), 77, location(archive, 101));
  aliases.stand_for(node(7), 77, location(inbox, 7));
  EXPECT_TRUE(aliases.empty());
}

TEST(NodeAliases, AMessageWhoseNodeStandsForAnotherGetsAStandIn) {
  NodeAliases aliases;
  aliases.stand_for(node(7), 77, location(inbox, 8));
  const auto stand_in = aliases.node_of(location(inbox, 7), false);
  ASSERT_TRUE(stand_in);
  EXPECT_NE(stand_in->node, node(7));
  EXPECT_EQ(aliases.message_of(stand_in->node), location(inbox, 7));
  EXPECT_EQ(aliases.node_of(location(inbox, 7), false)->node, stand_in->node) << "and keeps it";
  EXPECT_EQ(aliases.node_of(location(inbox, 8), false)->node, node(7));
  EXPECT_FALSE(aliases.node_of(location(inbox, 9), false));
}

TEST(NodeAliases, ForgottenAliasesGoWhenThereAreTooMany) {
  NodeAliases aliases;
  const auto count = static_cast<std::uint32_t>(NodeAliases::max_idle) + 10;
  for (std::uint32_t uid = 1; uid <= count; ++uid) aliases.stand_for(node(uid), 77, location(archive, uid));
  aliases.forget(node(1));
  EXPECT_TRUE(aliases.node_of(location(archive, 1), false)) << "the kernel is told of it again";
  for (std::uint32_t uid = 2; uid <= count; ++uid) aliases.forget(node(uid));
  EXPECT_TRUE(aliases.message_of(node(1)));
  EXPECT_FALSE(aliases.message_of(node(2)));
  EXPECT_TRUE(aliases.message_of(node(count)));
}

TEST(NodeAliases, WhatTheKernelKnowsIsNeverDropped) {
  NodeAliases aliases;
  const auto count = static_cast<std::uint32_t>(NodeAliases::max_idle) + 10;
  for (std::uint32_t uid = 1; uid <= count; ++uid) aliases.stand_for(node(uid), 77, location(archive, uid));
  for (std::uint32_t uid = 1; uid <= count; ++uid) EXPECT_TRUE(aliases.message_of(node(uid))) << uid;
}

}  // namespace
}  // namespace imapfs::vfs::two_mailboxes
