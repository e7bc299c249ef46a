#include "unit/vfs/staging/files_situation.hpp"

namespace imapfs::vfs {
namespace {

struct DeletedViewTest : ::testing::Test, Files {
  DeletedViewTest() {
    rm("INBOX/" + name);
    before = sent().size();
  }
  Lines changes() {
    auto all = sent();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before));
    return all;
  }
  Lines ls_deleted() {
    auto all = names(list(deleted_node(account.id("INBOX"))));
    std::erase_if(all, [](const auto& entry) { return entry == "." || entry == ".."; });
    return all;
  }
  const std::string file = "INBOX/.deleted/" + name;
  std::size_t before = 0;
};

TEST_F(DeletedViewTest, WhatWasRemovedIsListedThereAndNowhereElse) {
  EXPECT_EQ(ls_deleted(), (Lines{name}));
  EXPECT_EQ(find(file), node);
  EXPECT_TRUE(ls("INBOX").empty());
}
TEST_F(DeletedViewTest, TheDirectoryIsReachedByNameOnly) {
  EXPECT_EQ(find("INBOX/.deleted"), deleted_node(account.id("INBOX")));
  EXPECT_FALSE(there("Archive/.deleted")) << "it holds no messages";
  EXPECT_EQ(getattr(deleted_node(account.id("INBOX"))).value().timeout.count(), 0);
}
TEST_F(DeletedViewTest, NothingOfItIsCached) {
  const auto [parent, child] = at(file);
  EXPECT_EQ(lookup(parent, child).value().entry_timeout.count(), 0);
  const auto opened = opendir(parent).value();
  EXPECT_FALSE(opened.cache_readdir);
  EXPECT_FALSE(opened.keep_cache);
}
TEST_F(DeletedViewTest, LongListingsGoOnWhereTheyStopped) {
  for (std::uint32_t uid = 8; uid < 20; ++uid) rm("INBOX/" + account.mailboxes().add("INBOX", uid));
  EXPECT_EQ(list(deleted_node(account.id("INBOX")), 4).size(), 2u + 13u);
}
TEST_F(DeletedViewTest, ItsFilesCanBeRead) { EXPECT_EQ(cat(find(file)), "From: anna\r\n\r\nHello\r\n"); }
TEST_F(DeletedViewTest, MovingOneBackRestoresIt) {
  EXPECT_EQ(mv(file, "INBOX/" + name), 0);
  EXPECT_EQ(changes(), (Lines{"restore INBOX/7 as " + name}));
  EXPECT_EQ(find("INBOX/" + name), node);
  EXPECT_TRUE(ls_deleted().empty());
}
TEST_F(DeletedViewTest, MovingOneElsewhereRestoresAndMovesIt) {
  EXPECT_EQ(mv(file, "Sent/x"), 0);
  EXPECT_EQ(changes(), (Lines{"restore INBOX/7", "move INBOX/7 -> Sent/x"}));
  EXPECT_EQ(find("Sent/x"), node);
}
TEST_F(DeletedViewTest, ItDoesNotTakeThePlaceOfAnother) {
  const auto other = account.mailboxes().add("INBOX", 8);
  EXPECT_EQ(mv(file, "INBOX/" + other), EEXIST);
  EXPECT_TRUE(changes().empty());
}
TEST_F(DeletedViewTest, RemovingOneThereIsForGood) {
  EXPECT_EQ(rm(file), 0);
  EXPECT_EQ(changes(), (Lines{"expunge INBOX/7"}));
  EXPECT_TRUE(ls_deleted().empty());
}
TEST_F(DeletedViewTest, WithoutUidplusThatIsRefusedClearly) {
  account.changes().fail_next({EOPNOTSUPP, Scope::account, Retry::never, "the server has no UIDPLUS"});
  EXPECT_EQ(rm(file), EOPNOTSUPP);
  EXPECT_EQ(ls_deleted(), (Lines{name}));
}
TEST_F(DeletedViewTest, TheOldVersionIsAFileOfItsOwnBesideTheNewOne) {
  EXPECT_EQ(mv(file, "INBOX/back.eml"), 0);
  const auto rewritten = open_as(find("INBOX/back.eml"), O_WRONLY | O_TRUNC);
  EXPECT_EQ(write(rewritten, mail), 0);
  EXPECT_EQ(flush(rewritten), 0);
  close(rewritten);
  const auto listed = list(deleted_node(account.id("INBOX")));
  const auto found = std::find_if(listed.begin(), listed.end(), [](const auto& one) { return one.name == "back.eml"; });
  ASSERT_NE(found, listed.end());
  const auto old = found->entry.node;
  EXPECT_EQ(find("INBOX/back.eml"), node) << "the kernel's inode goes on";
  EXPECT_NE(old, node);
  EXPECT_EQ(find("INBOX/.deleted/back.eml"), old);
  EXPECT_EQ(cat(old), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(cat(node), mail);
  EXPECT_EQ(mv("INBOX/.deleted/back.eml", "INBOX/old.eml"), 0);
  EXPECT_EQ(find("INBOX/old.eml"), old);
  EXPECT_EQ(find("INBOX/back.eml"), node);
}
TEST_F(DeletedViewTest, NothingIsRenamedWithin) { EXPECT_EQ(mv(file, "INBOX/.deleted/x"), EPERM); }
TEST_F(DeletedViewTest, WhatIsNotThereIsNotFound) {
  EXPECT_FALSE(there("INBOX/.deleted/nothing"));
  EXPECT_EQ(rm("INBOX/.deleted/nothing"), ENOENT);
}

}  // namespace
}  // namespace imapfs::vfs
