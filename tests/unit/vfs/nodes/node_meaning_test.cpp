#include "vfs/nodes/node_meaning.hpp"

#include <gtest/gtest.h>

#include "support/fake_account.hpp"

namespace imapfs::vfs {
namespace {

using Kind = NodeMeaning::Kind;

struct Resolving {
  [[nodiscard]] UidValidity validity(MailboxId mailbox) const {
    return account.mailboxes().table(mailbox)->uid_validity();
  }
  [[nodiscard]] MessageLocation location(MailboxId mailbox, std::uint32_t uid) const {
    return {mailbox, validity(mailbox), Uid{uid}};
  }
  [[nodiscard]] NodeMeaning resolve(NodeId node) const { return nodes.resolve(node).value(); }
  void add_entry(LocalEntry::Kind kind, NodeId node, const MessageLocation& source = {}) {
    LocalEntry entry;
    entry.kind = kind;
    entry.node = node;
    entry.mailbox = sent;
    entry.name = "letter";
    entry.source = source;
    entry.change = sync::ChangeId{1};
    entries.add(entry);
  }
  testing::FakeAccount account{std::vector<std::string>{"INBOX", "Sent"}};
  const MailboxId inbox = account.id("INBOX");
  const MailboxId sent = account.id("Sent");
  const NodeId node = message_node(inbox, Uid{7});
  NodeAliases aliases;
  LocalEntries entries{aliases};
  NodeResolver nodes{account, entries, aliases};
};

TEST(NodeMeaning, OfDirectoriesIsWhatTheirNumbersName) {
  const Resolving at;
  EXPECT_TRUE(at.resolve(root_node).is_root());
  EXPECT_TRUE(at.resolve(root_node).is_in_tree());
  EXPECT_EQ(at.resolve(fixed_node(FixedNode::outbox)).fixed, FixedNode::outbox);
  EXPECT_EQ(at.resolve(mailbox_node(at.sent)).kind, Kind::mailbox);
  EXPECT_EQ(at.resolve(mailbox_node(at.sent)).mailbox, at.sent);
  EXPECT_EQ(at.resolve(deleted_node(at.sent)).kind, Kind::deleted);
  EXPECT_EQ(at.resolve(by_uid_node(at.sent)).kind, Kind::by_uid);
  EXPECT_FALSE(at.nodes.resolve(NodeId{0}));
}

TEST(NodeMeaning, OfAMessageIsThatMessage) {
  const Resolving at;
  const auto meaning = at.resolve(at.node);
  EXPECT_EQ(meaning.kind, Kind::message);
  EXPECT_EQ(meaning.message, at.location(at.inbox, 7));
  EXPECT_EQ(meaning.mailbox, at.inbox);
  EXPECT_FALSE(meaning.aliased);
}

TEST(NodeMeaning, OfAMessageThatMovesIsPendingAndReadWhereItComesFrom) {
  Resolving at;
  at.add_entry(LocalEntry::Kind::pending, at.node, at.location(at.inbox, 7));
  const auto meaning = at.resolve(at.node);
  EXPECT_EQ(meaning.kind, Kind::pending);
  EXPECT_EQ(meaning.message, at.location(at.inbox, 7));
  EXPECT_EQ(meaning.mailbox, at.sent) << "where it is listed";
}

TEST(NodeMeaning, OfAMessageThatHasArrivedIsItsNewPlace) {
  Resolving at;
  at.add_entry(LocalEntry::Kind::pending, at.node, at.location(at.inbox, 7));
  at.entries.arrived(at.node, 1, at.location(at.sent, 9), sync::ChangeId{1});
  const auto meaning = at.resolve(at.node);
  EXPECT_EQ(meaning.kind, Kind::message);
  EXPECT_EQ(meaning.message, at.location(at.sent, 9));
  EXPECT_TRUE(meaning.aliased);
}

TEST(NodeMeaning, OfACopyOnItsWayIsReadWhereItsOriginalIs) {
  Resolving at;
  at.add_entry(LocalEntry::Kind::pending, staged_node(3), at.location(at.inbox, 7));
  EXPECT_EQ(at.resolve(staged_node(3)).kind, Kind::pending);
  EXPECT_EQ(at.resolve(staged_node(3)).message, at.location(at.inbox, 7));
}

TEST(NodeMeaning, OfABackupIsAFileThoughItsNumberNamesAMessage) {
  Resolving at;
  at.add_entry(LocalEntry::Kind::staged, at.node);
  EXPECT_EQ(at.resolve(at.node).kind, Kind::staged);
  const auto kernel = at.nodes.kernel_node(at.location(at.inbox, 7));
  ASSERT_TRUE(kernel) << "the message needs another node then";
  EXPECT_EQ(at.resolve(kernel->node).message, at.location(at.inbox, 7));
}

TEST(NodeMeaning, OfAnAliasUnderAnotherUidValidityIsNoMessage) {
  Resolving at;
  at.aliases.stand_for(at.node, 1, {at.sent, UidValidity{at.validity(at.sent).value + 1}, Uid{9}});
  EXPECT_EQ(at.resolve(at.node).kind, Kind::message);
  EXPECT_EQ(at.resolve(at.node).message.uid, Uid{0});
}

TEST(NodeMeaning, OfANodeThatNothingIsKnownOfIsAStagedFile) {
  const Resolving at;
  EXPECT_EQ(at.resolve(staged_node(3)).kind, Kind::staged);
  EXPECT_EQ(at.resolve(staged_node(3)).mailbox, MailboxId{0}) << "in no directory but the outbox";
}

}  // namespace
}  // namespace imapfs::vfs
