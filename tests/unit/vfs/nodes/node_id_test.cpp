#include "imapfs/vfs/node_id.hpp"

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(NodeTree, TheRootIsOneForTheKernel) {
  EXPECT_EQ(root_node.value, 1u);
  EXPECT_EQ(fixed_node(FixedNode::root), root_node);
  EXPECT_EQ(mailbox_node(MailboxId{0}), root_node);
}

TEST(NodeTree, AMessageIdHoldsItsMailboxAndUid) {
  const auto decoded = decode_node(message_node(MailboxId{0x0abcdef1}, Uid{4294967295}));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->kind, NodeKind::message);
  EXPECT_EQ(decoded->mailbox, MailboxId{0x0abcdef1});
  EXPECT_EQ(decoded->uid(), Uid{4294967295});
}

TEST(NodeTree, IdsMeanTheSameInEveryVersion) {
  EXPECT_EQ(mailbox_node(MailboxId{0x1234567}).value, 0x1123456700000000u);
  EXPECT_EQ(message_node(MailboxId{0x1234567}, Uid{9}).value, 0x2123456700000009u);
  EXPECT_EQ(fixed_node(FixedNode::events).value, 4u);
  EXPECT_EQ(fixed_node(FixedNode::outbox).value, 7u);
  EXPECT_EQ(deleted_node(MailboxId{0x1234567}).value, 0x6123456700000000u);
  EXPECT_EQ(staged_node(9).value, 0x7000000000000009u);
}

TEST(NodeTree, IdsNobodyGaveOutMeanNothing) {
  EXPECT_FALSE(decode_node(NodeId{0}));
  EXPECT_FALSE(decode_node(NodeId{8}));
  EXPECT_FALSE(decode_node(NodeId{0xffffffffffffffff}));
  EXPECT_FALSE(decode_node(encode_node(NodeKind::fixed, MailboxId{1}, 1)));
  EXPECT_FALSE(decode_node(encode_node(NodeKind::mailbox, MailboxId{0}, 0)));
  EXPECT_FALSE(decode_node(encode_node(NodeKind::mailbox, MailboxId{5}, 1)));
  EXPECT_FALSE(decode_node(encode_node(NodeKind::message, MailboxId{5}, 0)));
}

TEST(NodeTree, KindsOfLaterViewsMeanNothingYet) {
  for (const auto kind : {NodeKind::search, NodeKind::text, NodeKind::parts, NodeKind::deleted}) {
    EXPECT_FALSE(decode_node(encode_node(kind, MailboxId{5}, 1)));
  }
}

TEST(NodeTree, CookiesOfMailboxesLieBelowThoseOfMessages) {
  EXPECT_LT(cookie_dot_dot, mailbox_cookie(MailboxId{1}));
  EXPECT_LT(mailbox_cookie(MailboxId{0x0fffffff}), message_cookie(Uid{1}));
}

TEST(NodeTree, PathsAreReadable) {
  Situation at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.filesystem.path_of(root_node), "/");
  EXPECT_EQ(at.filesystem.path_of(fixed_node(FixedNode::status)), ".imapfs/status");
  EXPECT_EQ(at.filesystem.path_of(at.mailbox("Archive/2026")), "Archive/2026");
  EXPECT_EQ(at.filesystem.path_of(at.message("INBOX", 7)), "INBOX/" + name);
  EXPECT_EQ(at.filesystem.path_of(at.message("INBOX", 8)), "INBOX/#8");
  EXPECT_EQ(at.filesystem.path_of(NodeId{0}), "node 0x0");
}

TEST(NodeTree, ANodeThatMeansNothingIsNotThere) {
  Situation at;
  EXPECT_EQ(at.getattr(NodeId{99}).error(), ENOENT);
  EXPECT_EQ(at.open(NodeId{99}).error(), ENOENT);
  EXPECT_EQ(at.read(NodeId{99}, 0).error(), ENOENT);
  EXPECT_EQ(at.opendir(NodeId{99}).error(), ENOENT);
  EXPECT_EQ(at.readdir(NodeId{99}, 0).error(), ENOENT);
  EXPECT_EQ(at.lookup(NodeId{99}, "x").error(), ENOENT);
  at.filesystem.release(NodeId{99}, 1);
  at.filesystem.forget(NodeId{99});
}

}  // namespace
}  // namespace imapfs::vfs
