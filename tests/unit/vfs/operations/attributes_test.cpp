#include "imapfs/model/identity.hpp"
#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(Attributes, AMessageIsARegularFileWithItsInternalDate) {
  Situation at;
  auto meta = testing::fake_message(7);
  meta.size = 513;
  meta.internal_date = 1763630000;
  at.account.mailboxes().add("INBOX", meta);
  const auto attributes = at.getattr(at.message("INBOX", 7)).value().attributes;
  EXPECT_EQ(attributes.mode, mode_t{S_IFREG | 0600});
  EXPECT_EQ(attributes.size, 513u);
  EXPECT_EQ(attributes.blocks, 2u);
  EXPECT_EQ(attributes.block_size, 128u * 1024);
  EXPECT_EQ(attributes.links, 1u);
  EXPECT_EQ(attributes.uid, 1000u);
  EXPECT_EQ(attributes.gid, 1000u);
  EXPECT_EQ(attributes.time, (Timestamp{1763630000, 0}));
}

TEST(Attributes, ADirectoryCountsItsChildren) {
  Situation at;
  at.account.mailboxes().set_directory_time("Archive", {1763630000, 42});
  const auto attributes = at.getattr(at.mailbox("Archive")).value().attributes;
  EXPECT_EQ(attributes.mode, mode_t{S_IFDIR | 0700});
  EXPECT_EQ(attributes.links, 3u);
  EXPECT_EQ(attributes.time, (Timestamp{1763630000, 42}));
  EXPECT_EQ(at.getattr(root_node).value().attributes.links, 5u);
}

TEST(Attributes, OwnerAndUmaskComeFromTheOptions) {
  Settings settings;
  settings.uid = 12;
  settings.gid = 34;
  settings.umask = 0277;
  Situation at(settings);
  at.account.mailboxes().add("INBOX", 7);
  const auto file = at.getattr(at.message("INBOX", 7)).value().attributes;
  EXPECT_EQ(file.mode, mode_t{S_IFREG | 0400});
  EXPECT_EQ(file.uid, 12u);
  EXPECT_EQ(file.gid, 34u);
  EXPECT_EQ(at.getattr(root_node).value().attributes.mode, mode_t{S_IFDIR | 0500});
}

TEST(Attributes, WithAllowOtherEverybodyMayWhatTheOwnerMayLessUmask) {
  Settings settings;
  settings.shared = true;
  settings.umask = 027;
  Situation at(settings);
  at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.getattr(at.message("INBOX", 7)).value().attributes.mode, mode_t{S_IFREG | 0640});
  EXPECT_EQ(at.getattr(root_node).value().attributes.mode, mode_t{S_IFDIR | 0750});
}

TEST(Attributes, TheOwnerIsTheDaemonsByDefault) {
  EXPECT_EQ(Settings{}.uid, ::getuid());
  EXPECT_EQ(Settings{}.gid, ::getgid());
}

TEST(Attributes, InodesAreFunctionsOfNamesTheServerGuarantees) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  const auto seed = message_inode_seed("anna@mail.example.org", "INBOX", UidValidity{77});
  EXPECT_EQ(at.getattr(at.message("INBOX", 7)).value().attributes.inode, message_inode(seed, Uid{7}));
  EXPECT_EQ(at.getattr(at.mailbox("INBOX")).value().attributes.inode, mailbox_inode("anna@mail.example.org", "INBOX"));
}

TEST(Attributes, LookupGetattrAndReaddirAgree) {
  Situation at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  const auto looked_up = at.lookup(at.mailbox("INBOX"), name).value();
  const auto page = at.list(at.mailbox("INBOX"));
  ASSERT_EQ(page.back().name, name);
  EXPECT_EQ(page.back().entry.node, looked_up.node);
  EXPECT_EQ(page.back().entry.attributes, looked_up.attributes);
  EXPECT_EQ(at.getattr(looked_up.node).value().attributes, looked_up.attributes);
}

TEST(Attributes, ANewUidvalidityGivesANewInodeAndGeneration) {
  Situation at;
  const auto name = at.account.mailboxes().add("INBOX", 7);
  const auto before = at.lookup(at.mailbox("INBOX"), name).value();
  at.account.mailboxes().messages("INBOX").reset(UidValidity{78});
  at.account.mailboxes().add("INBOX", 7);
  const auto after = at.lookup(at.mailbox("INBOX"), name).value();
  EXPECT_NE(before.attributes.inode, after.attributes.inode);
  EXPECT_EQ(before.generation, 77u);
  EXPECT_EQ(after.generation, 78u) << "else the kernel would show the old message's pages";
}

TEST(Attributes, AGenerationIsNeverZero) {
  Situation at;
  at.account.mailboxes().messages("INBOX").reset(UidValidity{0});
  const auto name = at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), name).value().generation, 1u);
}

TEST(Attributes, AMessageOfAnUnlistedMailboxIsFetchedOnce) {
  Situation at;
  at.account.mailboxes().add_unlisted("INBOX", 9);
  EXPECT_EQ(at.getattr(at.message("INBOX", 9)).value().attributes.size, 1009u);
  EXPECT_EQ(at.account.mailboxes().calls().find_message, 1);
}

TEST(Attributes, AnExpungedMessageIsNotThere) {
  Situation at;
  at.account.mailboxes().add("INBOX", 7);
  at.account.mailboxes().complete("INBOX");
  at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  EXPECT_EQ(at.getattr(at.message("INBOX", 7)).error(), ENOENT);
}

TEST(Attributes, TimesOfAMailboxAreBelievedOnlyBrieflyBeforeItsFirstListing) {
  Situation at;
  EXPECT_LE(at.getattr(at.mailbox("INBOX")).value().timeout, std::chrono::milliseconds(100));
  at.account.mailboxes().complete("INBOX");
  EXPECT_EQ(at.getattr(at.mailbox("INBOX")).value().timeout, std::chrono::hours(24));
  EXPECT_EQ(at.getattr(at.mailbox("Archive")).value().timeout, std::chrono::hours(24));
}

TEST(Attributes, ASizeTooLargeForBlocksDoesNotOverflow) {
  Situation at;
  auto meta = testing::fake_message(7);
  meta.size = 0xffffffffffffffff;
  at.account.mailboxes().add("INBOX", meta);
  EXPECT_GT(at.getattr(at.message("INBOX", 7)).value().attributes.blocks, 0u);
}

TEST(StatFs, AnUnknownQuotaIsUsedPlusOnePebibyte) {
  Situation at;
  at.account.set_usage(sync::Usage{100, std::nullopt});
  Answer<StatFs> answer;
  at.filesystem.statfs({}, answer.reply());
  EXPECT_EQ(answer.value().block_size, 1024u);
  EXPECT_EQ(answer.value().blocks, 100 + (std::uint64_t{1} << 40));
  EXPECT_EQ(answer.value().blocks_free, std::uint64_t{1} << 40);
}

TEST(StatFs, AQuotaIsBlocksOfOneKibibyte) {
  Situation at;
  at.account.set_usage(sync::Usage{100, 1000});
  Answer<StatFs> answer;
  at.filesystem.statfs({}, answer.reply());
  EXPECT_EQ(answer.value().blocks, 1000u);
  EXPECT_EQ(answer.value().blocks_free, 900u);
  EXPECT_EQ(answer.value().name_max, 255u);
}

TEST(StatFs, AnExceededQuotaLeavesNothing) {
  Situation at;
  at.account.set_usage(sync::Usage{1100, 1000});
  Answer<StatFs> answer;
  at.filesystem.statfs({}, answer.reply());
  EXPECT_EQ(answer.value().blocks_free, 0u);
}

TEST(StatFs, WorksWithoutTheServer) {
  Situation at;
  at.account.set_usage(fail(EHOSTUNREACH, "offline"));
  Answer<StatFs> answer;
  at.filesystem.statfs({}, answer.reply());
  ASSERT_EQ(answer.error(), 0);
  EXPECT_EQ(answer.value().blocks, std::uint64_t{1} << 40);
}

}  // namespace
}  // namespace imapfs::vfs
