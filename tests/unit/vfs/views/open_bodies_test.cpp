#include "vfs/views/open_bodies.hpp"

#include <gtest/gtest.h>

#include "support/fake_body.hpp"

namespace imapfs::vfs {
namespace {

using OpenState = OpenBodies::State;

constexpr HandleId opened_under = 77;

std::shared_ptr<sync::Body> some_body() { return std::make_shared<testing::FakeBody>("text", true); }

/// A node of the kernel that stands for the message with this UID.
Node standing_for(std::uint32_t uid, MailboxId mailbox = MailboxId{1}) {
  Node node;
  node.id = message_node(MailboxId{1}, Uid{7});
  node.meaning.kind = NodeMeaning::Kind::message;
  node.meaning.message = {mailbox, UidValidity{77}, Uid{uid}};
  return node;
}

struct OneOpen {
  const Node node = standing_for(7);
  OpenBodies bodies;
  [[nodiscard]] OpenState state() const { return bodies.find(node.id, opened_under).state; }
};

TEST(OpenBodies, AnOpenThatNobodyHasReadIsKnownWithItsFirstProvedBody) {
  OneOpen at;
  EXPECT_EQ(at.state(), OpenState::none);
  EXPECT_TRUE(at.bodies.add_unread({at.node, opened_under, 100}, std::nullopt)) << "news is held from here on";
  EXPECT_EQ(at.state(), OpenState::unread);
  EXPECT_EQ(at.bodies.find(at.node.id, opened_under).unread.told_size, 100u);
  at.bodies.replace(at.node, opened_under, some_body());
  EXPECT_EQ(at.state(), OpenState::known);
  EXPECT_FALSE(at.bodies.find_unread(at.node.id));
}

TEST(OpenBodies, ABodyWithoutProofLeavesTheOpenUnread) {
  OneOpen at;
  static_cast<void>(at.bodies.add_unread({at.node, opened_under, 100}, std::nullopt));
  const auto body = some_body();
  at.bodies.keep_unproved(at.node.id, opened_under, body);
  EXPECT_EQ(at.state(), OpenState::unproved);
  EXPECT_EQ(at.bodies.find_unread(at.node.id)->told_size, 100u);
  at.bodies.drop_unproved(at.node.id, opened_under, some_body());
  EXPECT_EQ(at.state(), OpenState::unproved) << "that was another one";
  at.bodies.drop_unproved(at.node.id, opened_under, body);
  EXPECT_EQ(at.state(), OpenState::unread);
}

TEST(OpenBodies, WhatIsKnownStaysKnownWhoeverOpensTheFileAgain) {
  OneOpen at;
  at.bodies.add(at.node, opened_under, some_body(), std::nullopt);
  EXPECT_FALSE(at.bodies.add_unread({at.node, opened_under, 100}, std::nullopt));
  EXPECT_EQ(at.state(), OpenState::known);
  at.bodies.keep_unproved(at.node.id, opened_under, some_body());
  EXPECT_EQ(at.state(), OpenState::known);
}

TEST(OpenBodies, AfterANewVersionTheBodyIsOpenedAgain) {
  OneOpen at;
  at.bodies.add(at.node, opened_under, some_body(), std::nullopt);
  at.bodies.drop_replaced(standing_for(8), opened_under);
  EXPECT_EQ(at.state(), OpenState::none);
}

TEST(OpenBodies, AMessageThatWasMovedHasTheSameBytes) {
  OneOpen at;
  at.bodies.add(at.node, opened_under, some_body(), std::nullopt);
  at.bodies.drop_replaced(standing_for(3, MailboxId{2}), opened_under);
  EXPECT_EQ(at.state(), OpenState::known);
}

TEST(OpenBodies, NewsIsHeldUntilTheLastCloseAtMost) {
  OneOpen at;
  EXPECT_TRUE(at.bodies.add_unread({at.node, opened_under, 100}, std::nullopt));
  EXPECT_FALSE(at.bodies.add_unread({at.node, opened_under, 100}, std::nullopt)) << "it is held already";
  EXPECT_FALSE(at.bodies.release(at.node.id, opened_under));
  EXPECT_TRUE(at.bodies.release(at.node.id, opened_under));
}

TEST(OpenBodies, OfNoOpenOnlySoManyAreKept) {
  OneOpen at;
  for (HandleId handle = 1; handle <= OpenBodies::max_unowned + 1; ++handle) {
    at.bodies.replace(at.node, handle, some_body());
  }
  EXPECT_EQ(at.bodies.find(at.node.id, 1).state, OpenState::none);
  EXPECT_EQ(at.bodies.find(at.node.id, 2).state, OpenState::known);
}

}  // namespace
}  // namespace imapfs::vfs
