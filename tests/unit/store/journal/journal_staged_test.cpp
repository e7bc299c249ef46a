// Staged files: the row and the octets belong together whatever happens between the two.
#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>

#include "journal_support.hpp"

namespace imapfs::store::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(JournalTest, AnEmptyFileThatIsUnstagedMakesTheNextOneUnlessItIsOpen) {
  const auto inode = [&](StagedId id) {
    struct stat status {};
    EXPECT_EQ(::stat(journal->staging_path(id).c_str(), &status), 0);
    return status.st_ino;
  };
  const auto first = stage(staged_file("a.eml"), "");
  const auto used = inode(first);
  ASSERT_TRUE(journal->unstage(first));
  EXPECT_TRUE(staged().empty());
  const auto second = stage(staged_file("b.eml"), "");
  EXPECT_EQ(inode(second), used);
  const int open = ::open(journal->staging_path(second).c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(open, 0);
  ASSERT_TRUE(journal->unstage(second));
  const auto third = stage(staged_file("c.eml"), "");
  EXPECT_EQ(::write(open, "late", 4), 4);
  ::close(open);
  EXPECT_EQ(read_file(journal->staging_path(third)), "") << "what is written late is nobody's";
  const auto fourth = stage(staged_file("d.eml"), "octets");
  ASSERT_TRUE(journal->unstage(fourth));
  EXPECT_FALSE(std::filesystem::exists(journal->directory() + "/staging/spare")) << "what held octets is not kept";
}

TEST_F(JournalTest, AStagedFileIsAnEmptyPrivateFile) {
  auto file = staged_file("new.eml");
  ASSERT_TRUE(journal->stage(file));
  struct stat status {};
  ASSERT_EQ(::stat(journal->staging_path(file.id).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_size, 0);
  EXPECT_EQ(fs::path(journal->staging_path(file.id)).parent_path(), journal->directory() + "/staging");
}

TEST_F(JournalTest, EveryFieldOfAStagedFileSurvivesKill) {
  in_killed_process([](Journal& killed) {
    auto file = staged_file("first.eml");
    if (!killed.stage(file)) ::_exit(3);
    write_file(killed.staging_path(file.id), "octets");
    file.state = StagedFile::State::refused;
    file.mailbox = "Archive";
    file.name = "second.eml";
    file.flags = FlagSet::parse("\\Draft $Work");
    file.internal_date = 1234;
    file.replaces = at("INBOX", 9);
    file.reason = "too large";
    file.changed_at = 99;
    if (!killed.update(file)) ::_exit(4);
  });
  ASSERT_EQ(staged().size(), 1u);
  const auto file = staged()[0];
  EXPECT_EQ(file.state, StagedFile::State::refused);
  EXPECT_EQ(file.mailbox, "Archive");
  EXPECT_EQ(file.name, "second.eml");
  EXPECT_EQ(file.flags, FlagSet::parse("\\Draft $Work"));
  EXPECT_EQ(file.internal_date, 1234);
  EXPECT_EQ(file.replaces, at("INBOX", 9));
  EXPECT_EQ(file.reason, "too large");
  EXPECT_EQ(file.changed_at, 99);
  EXPECT_EQ(read_file(journal->staging_path(file.id)), "octets");
}

TEST_F(JournalTest, UnstagingRemovesRowAndOctetsAndMayBeRepeated) {
  const auto id = stage(staged_file("a.eml"));
  const auto kept = stage(staged_file("b.eml"));
  ASSERT_TRUE(journal->unstage(id));
  EXPECT_FALSE(fs::exists(journal->staging_path(id)));
  EXPECT_TRUE(journal->unstage(id));
  ASSERT_EQ(staged().size(), 1u);
  EXPECT_EQ(staged()[0].id, kept);
  auto gone = staged_file("a.eml");
  gone.id = id;
  EXPECT_EQ(journal->update(gone).error().errnum, ENOENT);
}

TEST_F(JournalTest, UnstagingDoesNotNeedTheOctets) {
  const auto id = stage(staged_file("a.eml"));
  fs::remove(journal->staging_path(id));
  EXPECT_TRUE(journal->unstage(id));
  EXPECT_TRUE(staged().empty());
}

TEST_F(JournalTest, IdsOfStagedFilesAreNeverUsedTwice) {
  const auto id = stage(staged_file("a.eml"));
  ASSERT_TRUE(journal->unstage(id));
  reopen();
  EXPECT_GT(stage(staged_file("b.eml")), id);
}

TEST_F(JournalTest, AnAppendThatSucceededTakesItsFileAlong) {
  const auto id = stage(staged_file("a.eml"));
  finish({add(append_change(id)), at("INBOX", 12), "a.eml", true});
  EXPECT_FALSE(fs::exists(journal->staging_path(id)));
  EXPECT_TRUE(staged().empty());
  EXPECT_EQ(names("INBOX"), Names{"12=a.eml"});
}

TEST_F(JournalTest, AnAppendThatFailedLeavesItsFile) {
  const auto id = stage(staged_file("a.eml"), "octets");
  finish({add(append_change(id)), {}, "", false});
  ASSERT_EQ(staged().size(), 1u);
  EXPECT_EQ(read_file(journal->staging_path(id)), "octets");
}

TEST_F(JournalTest, OctetsThatCouldNotBeRemovedDoNotComeBack) {
  const auto id = stage(staged_file("a.eml"));
  const auto path = journal->staging_path(id);
  // As if the process had died after the commit: what is to be removed cannot be.
  fs::remove(path);
  fs::create_directory(path);
  finish({add(append_change(id)), at("INBOX", 12), "", true});
  EXPECT_TRUE(staged().empty());
  fs::remove(path);
  write_file(path, "octets");
  EXPECT_TRUE(staged().empty());
  reopen();
  EXPECT_TRUE(staged().empty());
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(JournalTest, ARowWhoseFileWasNeverCreatedIsDropped) {
  const auto id = stage(staged_file("a.eml"));
  fs::remove(journal->staging_path(id));
  reopen();
  EXPECT_TRUE(staged().empty());
  write_file(journal->staging_path(id), "");
  EXPECT_TRUE(staged().empty());
  EXPECT_FALSE(fs::exists(journal->staging_path(id)));
}

TEST_F(JournalTest, WhatCannotBeStagedLeavesNothing) {
  fs::remove(journal->directory() + "/staging");
  auto file = staged_file("a.eml");
  EXPECT_FALSE(journal->stage(file));
  EXPECT_EQ(file.id, StagedId{});
  reopen();
  EXPECT_TRUE(staged().empty());
}

TEST_F(JournalTest, AnExistingFileIsNeverOverwritten) {
  const auto id = stage(staged_file("a.eml"));
  const auto next = journal->directory() + "/staging/" + std::to_string(id.value + 1);
  write_file(next, "somebody's octets");
  auto file = staged_file("b.eml");
  EXPECT_EQ(journal->stage(file).error().errnum, EEXIST);
  EXPECT_EQ(read_file(next), "somebody's octets");
}

TEST_F(JournalTest, OtherFilesInTheStagingDirectoryAreLeftAlone) {
  const auto staging = journal->directory() + "/staging/";
  for (const auto* name : {"007", "12x", "-3", "notes", "99999999999999999999999"}) write_file(staging + name, "x");
  fs::create_symlink("/etc/passwd", staging + "5");
  fs::create_directory(staging + "6");
  EXPECT_TRUE(staged().empty());
  EXPECT_TRUE(fs::exists(staging + "007"));
}

TEST_F(JournalTest, ALinkInPlaceOfTheStagingDirectoryIsRefused) {
  const auto staging = journal->directory() + "/staging";
  journal.reset();
  fs::remove(staging);
  fs::create_directory(directory_.path("elsewhere"));
  fs::create_symlink(directory_.path("elsewhere"), staging);
  const auto refused = Journal::open(directory_.path(), journal_account);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  EXPECT_NE(refused.error().what.find(staging), std::string::npos);
}

}  // namespace
}  // namespace imapfs::store::testing
