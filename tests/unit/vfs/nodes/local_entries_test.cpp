#include "vfs/nodes/local_entries.hpp"

#include <gtest/gtest.h>

#include "two_mailboxes.hpp"

namespace imapfs::vfs::two_mailboxes {
namespace {

LocalEntry pending(std::uint32_t uid, MailboxId mailbox, const std::string& name, std::uint64_t change = 1) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = node(uid);
  entry.generation = 77;
  entry.mailbox = mailbox;
  entry.name = name;
  entry.change = sync::ChangeId{change};
  return entry;
}

std::vector<std::string> names(const std::vector<LocalEntry>& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.push_back(entry.name);
  return names;
}
using Names = std::vector<std::string>;

TEST(LocalEntries, AnEntryIsFoundByNameAndByNode) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  EXPECT_TRUE(entries.add(pending(7, archive, "a")));
  EXPECT_EQ(entries.find(archive, "a")->node, node(7));
  EXPECT_EQ(entries.find(node(7))->name, "a");
  EXPECT_FALSE(entries.find(inbox, "a"));
}

TEST(LocalEntries, ATakenNameIsNotGivenTwice) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  entries.add(pending(7, archive, "a"));
  EXPECT_FALSE(entries.add(pending(8, archive, "a")));
  EXPECT_EQ(entries.find(archive, "a")->node, node(7));
  EXPECT_FALSE(entries.find(node(8)));
}

TEST(LocalEntries, RenamingTakesThePlaceOfAnother) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  entries.add(pending(7, archive, "a"));
  entries.add(pending(8, inbox, "b"));
  const auto replaced = entries.rename(node(7), inbox, "b");
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->node, node(8));
  EXPECT_EQ(entries.find(inbox, "b")->node, node(7));
  EXPECT_EQ(entries.find(inbox, "b")->meta.file_name, "b") << "what it is rewritten or copied under";
  EXPECT_TRUE(entries.empty(archive));
  EXPECT_FALSE(entries.find(node(8)));
}

TEST(LocalEntries, UpdatingKeepsNameMailboxAndCookie) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  entries.add(pending(7, archive, "a"));
  const auto cookie = entries.find(node(7))->cookie;
  auto entry = pending(7, inbox, "other", 5);
  EXPECT_TRUE(entries.update(entry));
  EXPECT_EQ(entries.find(archive, "a")->cookie, cookie);
  EXPECT_EQ(entries.find(archive, "a")->change, sync::ChangeId{5});
  EXPECT_FALSE(entries.update(pending(9, inbox, "x")));
}

TEST(LocalEntries, ListingGoesOnAfterACookieWhateverWasRemoved) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  for (std::uint32_t uid = 1; uid <= 5; ++uid) entries.add(pending(uid, archive, "n" + std::to_string(uid)));
  const auto first = entries.list(archive, 0, 2);
  EXPECT_EQ(names(first), (Names{"n1", "n2"}));
  EXPECT_GE(first[0].cookie, local_cookie(0));
  entries.remove(node(2));
  entries.remove(node(3));
  EXPECT_EQ(names(entries.list(archive, first[1].cookie, 10)), (Names{"n4", "n5"}));
}

TEST(LocalEntries, OfAMessageThatHasArrivedTheNodeStandsForIt) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  EXPECT_TRUE(entries.empty());
  entries.add(pending(7, archive, "a"));
  entries.arrived(node(7), 77, location(archive, 101), sync::ChangeId{1});
  EXPECT_EQ(aliases.message_of(node(7)), location(archive, 101));
  EXPECT_EQ(entries.find(node(7))->kind, LocalEntry::Kind::arrived);
  EXPECT_FALSE(entries.empty());
}

TEST(LocalEntries, AnArrivalThatOneWaitingElsewhereKnowsNothingOfLeavesItAsItIs) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  entries.add(pending(7, archive, "a", 2));
  entries.arrived(node(7), 77, location(inbox, 8));
  EXPECT_EQ(entries.find(node(7))->kind, LocalEntry::Kind::pending);
}

TEST(LocalEntries, AnEntryThatWaitsForALaterChangeStaysPending) {
  NodeAliases aliases;
  LocalEntries entries(aliases);
  entries.add(pending(7, archive, "a", 2));
  entries.arrived(node(7), 77, location(inbox, 9), sync::ChangeId{1});
  EXPECT_EQ(entries.find(node(7))->kind, LocalEntry::Kind::pending);
  EXPECT_EQ(aliases.message_of(node(7)), location(inbox, 9));
  EXPECT_FALSE(entries.remove_pending(node(7), sync::ChangeId{1}));
  EXPECT_TRUE(entries.remove_pending(node(7), sync::ChangeId{2}));
}

}  // namespace
}  // namespace imapfs::vfs::two_mailboxes
