#include <set>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

using Names = std::vector<std::string>;

TEST(Directory, TheRootListsMailboxesAndHidesTheControlDirectory) {
  Situation at;
  EXPECT_EQ(at.opendir(root_node).error(), 0);
  EXPECT_EQ(at.account.mailboxes().calls().freshen_tree, 1);
  const auto names = at.names(at.list(root_node));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()),
            (std::set<std::string>{".", "..", "INBOX", "Archive", "Sent"}));
  EXPECT_EQ(names.size(), 5u);
  EXPECT_EQ(at.lookup(root_node, ".imapfs").error(), 0);
}

TEST(Directory, ChildMailboxesComeInTheOrderOfTheirIds) {
  Situation at;
  const auto page = at.list(root_node);
  for (std::size_t index = 1; index < page.size(); ++index) EXPECT_LT(page[index - 1].cookie, page[index].cookie);
}

TEST(Directory, APageNeverMixesMailboxesAndMessages) {
  Situation at(Situation::default_settings(), {"INBOX", "INBOX/Sub"});
  const auto name = at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  const auto head = at.readdir(at.mailbox("INBOX"), 0);
  EXPECT_EQ(at.names(head.value()), (Names{".", "..", "Sub"}));
  const auto messages = at.readdir(at.mailbox("INBOX"), head.value().back().cookie);
  EXPECT_EQ(at.names(messages.value()), (Names{name}));
  EXPECT_TRUE(at.readdir(at.mailbox("INBOX"), messages.value().back().cookie).value().empty());
}

TEST(Directory, EveryPageSizeGivesEveryEntryOnce) {
  Situation at(Situation::default_settings(), {"INBOX", "INBOX/A", "INBOX/B", "INBOX/C"});
  for (std::uint32_t uid = 1; uid <= 20; ++uid) at.account.mailboxes().add("INBOX", uid * 3);
  at.account.mailboxes().complete("INBOX");
  const auto expected = at.names(at.list(at.mailbox("INBOX")));
  ASSERT_EQ(expected.size(), 25u);
  for (const std::size_t limit : {1u, 2u, 3u, 7u, 1000000u})
    EXPECT_EQ(at.names(at.list(at.mailbox("INBOX"), limit)), expected);
}

TEST(Directory, RemovingWhileReadingMissesNothing) {
  Situation at;
  for (std::uint32_t uid = 1; uid <= 300; ++uid) at.account.mailboxes().add("INBOX", uid);
  at.account.mailboxes().complete("INBOX");
  std::vector<std::string> seen;
  for (std::uint64_t cookie = 0;;) {
    const auto page = at.readdir(at.mailbox("INBOX"), cookie, 10).value();
    if (page.empty()) break;
    for (const auto& entry : page) {
      seen.push_back(entry.name);
      const auto uid = decode_node(entry.entry.node)->uid();
      if (entry.cookie > cookie_dot_dot) at.account.mailboxes().messages("INBOX").remove(UidSet::single(uid));
    }
    cookie = page.back().cookie;
  }
  EXPECT_EQ(seen.size(), 302u);
  EXPECT_EQ(at.account.mailboxes().messages("INBOX").size(), 0u);
}

TEST(Directory, ACookieOfARemovedEntryGoesOnBehindIt) {
  Situation at;
  for (std::uint32_t uid = 1; uid <= 3; ++uid) at.account.mailboxes().add("INBOX", uid);
  at.account.mailboxes().complete("INBOX");
  at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{2}));
  const auto page = at.readdir(at.mailbox("INBOX"), message_cookie(Uid{2})).value();
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].entry.node, at.message("INBOX", 3));
}

TEST(Directory, TheListingFlowsWhileTheFirstSyncRuns) {
  Situation at;
  const auto head = at.readdir(at.mailbox("INBOX"), 0);
  EXPECT_EQ(at.names(head.value()), (Names{".", ".."})) << "never waits";
  const auto first = at.readdir(at.mailbox("INBOX"), cookie_dot_dot);
  EXPECT_FALSE(first.came());
  const auto one = at.account.mailboxes().add("INBOX", 1);
  ASSERT_TRUE(first.came());
  EXPECT_EQ(at.names(first.value()), (Names{one}));
  const auto second = at.readdir(at.mailbox("INBOX"), message_cookie(Uid{1}));
  EXPECT_FALSE(second.came());
  at.account.mailboxes().complete("INBOX");
  ASSERT_TRUE(second.came());
  EXPECT_TRUE(second.value().empty());
}

TEST(Directory, AFailedSyncFailsTheListing) {
  Situation at;
  const auto page = at.readdir(at.mailbox("INBOX"), cookie_dot_dot);
  at.account.awaited_rows().fail(at.account.id("INBOX"),
                                 Error{EHOSTUNREACH, Scope::session, Retry::later, "connection closed by server"});
  EXPECT_EQ(page.error(), EHOSTUNREACH);
  EXPECT_EQ(page.cause(), "wait for the listing: connection closed by server");
}

TEST(Directory, AMailboxRemovedWhileItsListingWaitsIsNotThere) {
  Situation at;
  const auto id = at.account.id("Sent");
  const auto page = at.readdir(at.mailbox("Sent"), cookie_dot_dot);
  ASSERT_FALSE(page.came());
  at.account.mailboxes().messages("Sent").set_complete(true);
  at.account.set_mailboxes({"INBOX"});
  at.account.awaited_rows().wake(id);
  EXPECT_EQ(page.error(), ENOENT);
}

TEST(Directory, ADirectoryWithoutMessagesEndsAfterItsChildren) {
  Situation at;
  EXPECT_EQ(at.opendir(at.mailbox("Archive")).error(), 0);
  EXPECT_EQ(at.names(at.list(at.mailbox("Archive"))), (Names{".", "..", "2026"}));
  EXPECT_EQ(at.account.mailboxes().calls().freshen, 0);
  EXPECT_EQ(at.account.mailboxes().calls().await_rows, 0);
}

TEST(Directory, OpeningAMailboxBringsItUpToDateFirst) {
  Situation at;
  at.account.network().hold();
  const auto opened = at.opendir(at.mailbox("INBOX"));
  EXPECT_FALSE(opened.came());
  EXPECT_EQ(at.account.mailboxes().calls().freshen, 1);
  at.account.network().answer_all();
  EXPECT_EQ(opened.error(), 0);
  EXPECT_TRUE(opened.value().cache_readdir);
}

TEST(Directory, TheKernelsListingIsKeptOnlyWhileNothingChanged) {
  Situation at;
  at.account.mailboxes().complete("INBOX");
  EXPECT_FALSE(at.opendir(at.mailbox("INBOX")).value().keep_cache);
  EXPECT_TRUE(at.opendir(at.mailbox("INBOX")).value().keep_cache);
  at.account.mailboxes().set_directory_time("INBOX", {1763630001, 0});
  EXPECT_FALSE(at.opendir(at.mailbox("INBOX")).value().keep_cache);
  EXPECT_TRUE(at.opendir(at.mailbox("INBOX")).value().keep_cache);
  EXPECT_FALSE(at.opendir(root_node).value().keep_cache);
  EXPECT_TRUE(at.opendir(root_node).value().keep_cache);
  at.account.set_mailboxes({"INBOX", "Sent", "New"});
  EXPECT_FALSE(at.opendir(root_node).value().keep_cache);
}

TEST(Directory, OnlyReaddirplusMakesNodesKnown) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  for (const auto& entry : at.list(at.mailbox("INBOX"), 100, false)) EXPECT_FALSE(entry.plus) << entry.name;
  for (const auto& entry : at.list(at.mailbox("INBOX"), 100, true)) {
    EXPECT_EQ(entry.plus, entry.cookie > cookie_dot_dot) << entry.name;
  }
}

TEST(Directory, AListingWithPlusIsWhereWatchersCanComeFrom) {
  Situation at;
  at.list(root_node, 100, false);
  EXPECT_FALSE(at.publisher.kernel().seen_directories().contains(at.account.id("Sent")));
  at.list(root_node, 100, true);
  EXPECT_TRUE(at.publisher.kernel().seen_directories().contains(at.account.id("Sent")));
}

TEST(Directory, DotDotIsTheParent) {
  Situation at;
  const auto page = at.list(at.mailbox("Archive/2026"), 2);
  ASSERT_GE(page.size(), 2u);
  EXPECT_EQ(page[0].entry.attributes.inode, at.getattr(at.mailbox("Archive/2026")).value().attributes.inode);
  EXPECT_EQ(page[1].entry.attributes.inode, at.getattr(at.mailbox("Archive")).value().attributes.inode);
}

}  // namespace
}  // namespace imapfs::vfs
