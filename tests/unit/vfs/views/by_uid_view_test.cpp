// The directory .uid of a mailbox.

#include <fcntl.h>

#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

class ByUid : public ::testing::Test, public Writing {
 protected:
  [[nodiscard]] NodeId directory(const std::string& path = "INBOX") const { return by_uid_node(account.id(path)); }
  int lookup_error(const std::string& file) { return lookup(directory(), file).error(); }
};

TEST_F(ByUid, IsReachedByNameAndNeverListed) {
  const auto entry = lookup(mailbox("INBOX"), ".uid");
  ASSERT_EQ(entry.error(), 0);
  EXPECT_EQ(entry.value().node, directory());
  EXPECT_TRUE(S_ISDIR(entry.value().attributes.mode));
  EXPECT_EQ(entry.value().attributes.mode & 0222U, 0u);
  EXPECT_EQ(names(list(mailbox("INBOX"))), (Lines{".", "..", name}));
}

TEST_F(ByUid, GivesAMessageByItsNumberUnderTheNodeThatItHas) {
  const auto entry = lookup(directory(), "7.eml");
  ASSERT_EQ(entry.error(), 0);
  EXPECT_EQ(entry.value().node, message("INBOX", 7));
  EXPECT_EQ(entry.value().attributes, lookup(mailbox("INBOX"), name).value().attributes);
  EXPECT_EQ(entry.value().entry_timeout.count(), 0) << "no news ever names this entry";
}

TEST_F(ByUid, FindsAMessageOfAMailboxThatWasNeverListed) {
  account.mailboxes().add_unlisted("Archive/2026", 9);
  account.mailboxes().messages("Archive/2026").set_complete(false);
  EXPECT_EQ(lookup(directory("Archive/2026"), "9.eml").value().node, message("Archive/2026", 9));
}

TEST_F(ByUid, FindsAMessageWhateverItsNameIs) {
  EXPECT_EQ(mv("INBOX/" + name, "INBOX/lunch"), 0);
  EXPECT_EQ(lookup(directory(), "7.eml").value().node, message("INBOX", 7));
}

TEST_F(ByUid, HasNothingElse) {
  for (const auto& other : Lines{"8.eml", "07.eml", "7", "7.txt", name, ".x", "eml"})
    EXPECT_EQ(lookup_error(other), ENOENT) << other;
  EXPECT_EQ(rm("INBOX/" + name), 0);
  EXPECT_EQ(lookup_error("7.eml"), ENOENT);
}

TEST_F(ByUid, ListsTheNumbersOfWhatTheMailboxLists) {
  for (std::uint32_t uid = 10; uid < 30; ++uid) account.mailboxes().add("INBOX", uid);
  rm("INBOX/" + name);
  for (const std::size_t limit : {1, 2, 3, 100}) {
    const auto all = names(list(directory(), limit));
    ASSERT_EQ(all.size(), 22u) << limit;
    EXPECT_EQ(all[2], "10.eml");
    EXPECT_EQ(all.back(), "29.eml");
  }
}

TEST_F(ByUid, ItsNamesAreTheServersToGive) {
  Answer<CreateResult> created;
  filesystem.create({}, directory(), "8.eml", 0600, created.reply());
  EXPECT_EQ(created.error(), EPERM);
  Answer<void> removed;
  filesystem.unlink({}, directory(), "7.eml", removed.reply());
  EXPECT_EQ(removed.error(), EPERM);
  Answer<void> moved_out;
  filesystem.rename({}, {directory(), "7.eml", mailbox("Sent"), "7.eml", 0}, moved_out.reply());
  EXPECT_EQ(moved_out.error(), EPERM);
  Answer<void> moved_in;
  filesystem.rename({}, {mailbox("INBOX"), name, directory(), "8.eml", 0}, moved_in.reply());
  EXPECT_EQ(moved_in.error(), EPERM);
  Answer<Entry> made;
  filesystem.mkdir({}, directory(), "new", 0700, made.reply());
  EXPECT_EQ(made.error(), EPERM);
  EXPECT_EQ(mkdir("INBOX/.uid"), EEXIST);
  EXPECT_EQ(mv("INBOX/" + name, "INBOX/.uid"), EPERM);
  Answer<CreateResult> in_the_way;
  filesystem.create({}, mailbox("INBOX"), ".uid", 0600, in_the_way.reply());
  EXPECT_EQ(in_the_way.error(), EEXIST);
  EXPECT_TRUE(sent().empty());
}

TEST_F(ByUid, AMessageIsWrittenToThroughItAndKeepsItsName) {
  const auto file = lookup(directory(), "7.eml").value().node;
  const auto opened = open(file, O_WRONLY);
  EXPECT_EQ(opened.wait().error(), 0);
  filesystem.release(file, opened.value().handle);
  EXPECT_EQ(ls("INBOX"), (Lines{name}));
}

}  // namespace
}  // namespace imapfs::vfs
