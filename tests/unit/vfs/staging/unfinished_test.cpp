// Files that are written in parts, in any order, and closed in between.

#include <thread>

#include "files_situation.hpp"

namespace imapfs::vfs {
namespace {

const std::string head = mail.substr(0, 20);
const std::string rest = mail.substr(20);

struct Unfinished : ::testing::Test, Files {
  /// What restic sends for one part: opened, written at its place, closed.
  int write_part(NodeId part, std::uint64_t offset, const std::string& text) {
    const auto file = open_as(part, O_WRONLY);
    EXPECT_EQ(write(file, text, offset), 0);
    const int flushed = flush(file);
    close(file);
    return flushed;
  }
  int keep_size(const OpenFile& file, std::uint64_t length) {
    Answer<void> answer;
    filesystem.fallocate({}, file.node, file.handle, FALLOC_FL_KEEP_SIZE, 0, length, answer.reply());
    return answer.wait().error();
  }
};

TEST_F(Unfinished, APartBehindAHoleWaitsForTheRest) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(write(file, rest, head.size()), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(uploads(), 0u);
  EXPECT_TRUE(there("INBOX/new.eml")) << "or the rest would have nowhere to go";
  EXPECT_EQ(write_part(file.node, 0, head), 0);
  EXPECT_EQ(sent(), Lines{"append INBOX/new.eml"});
  EXPECT_EQ(account.bodies().body_text("INBOX", 101), mail);
}

TEST_F(Unfinished, RoomThatWasMadeIsNoContent) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(fallocate(file, mail.size()), 0);
  EXPECT_EQ(write(file, head), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(uploads(), 0u);
  EXPECT_EQ(write_part(file.node, head.size(), rest), 0);
  EXPECT_EQ(uploads(), 1u);
  EXPECT_EQ(account.bodies().body_text("INBOX", 101), mail);
}

TEST_F(Unfinished, AFileIsNotWholeBeforeItFillsTheRoomThatWasMadeForIt) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(keep_size(file, mail.size()), 0);
  EXPECT_EQ(write(file, head), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(uploads(), 0u) << "a part of a message that would pass for one";
  EXPECT_EQ(write_part(file.node, head.size(), rest), 0);
  EXPECT_EQ(uploads(), 1u);
}

TEST_F(Unfinished, RoomThatIsGivenBackIsNotWaitedFor) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(keep_size(file, mail.size() * 2), 0);
  EXPECT_EQ(write(file, mail), 0);
  EXPECT_EQ(set_size(file.node, mail.size()), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(uploads(), 1u);
}

TEST_F(Unfinished, SeveralWritersOfOneFileMakeOneMessage) {
  const auto first = create("INBOX/new.eml");
  const auto second = open_as(first.node, O_WRONLY, 1);
  // As yet it begins with no header field.
  EXPECT_EQ(write(first, "\r\nHello\r\n"), 0);
  EXPECT_EQ(flush(first), 0);
  close(first);
  EXPECT_EQ(uploads(), 0u);
  EXPECT_EQ(write(second, mail), 0);
  EXPECT_EQ(flush(second), 0);
  EXPECT_EQ(uploads(), 1u);
}

TEST_F(Unfinished, WhatIsNoMessageIsRefusedAtTheLastClose) {
  const auto first = create("INBOX/new.eml");
  const auto second = open_as(first.node, O_WRONLY, 1);
  EXPECT_EQ(write(first, "no message\n"), 0);
  EXPECT_EQ(flush(first), 0);
  close(first);
  EXPECT_EQ(flush(second), EINVAL);
  close(second);
  EXPECT_EQ(outbox().size(), 1u);
}

TEST_F(Unfinished, AHoleIsRefusedByFsync) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(write(file, rest, head.size()), 0);
  EXPECT_EQ(fsync(file), EINVAL);
  EXPECT_EQ(uploads(), 0u);
  EXPECT_EQ(write(file, head), 0);
  EXPECT_EQ(fsync(file), 0);
  EXPECT_EQ(uploads(), 1u);
}

TEST_F(Unfinished, AHoleIsRefusedByTheRenameToAFinalName) {
  const auto file = create("INBOX/.new.part");
  EXPECT_EQ(write(file, rest, head.size()), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(mv("INBOX/.new.part", "INBOX/new.eml"), EINVAL);
  EXPECT_EQ(uploads(), 0u);
}

TEST_F(Unfinished, WhatNobodyWritesIsToldToWhoWaitsForTheServer) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(write(file, rest, head.size()), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(drain(), 0) << "it is still being written";
  close(file);
  EXPECT_EQ(drain(), EINVAL);
}

TEST(Impatient, WhatDoesNotComeInTimeIsInTheOutbox) {
  struct Hurried : JournalOfATest, Situation {
    static Settings settings() {
      auto settings = default_settings();
      settings.rest_patience = std::chrono::seconds(0);
      return settings;
    }
    Hurried() : Situation(settings(), {"INBOX"}, journal) { account.changes().set_journal(journal); }
    [[nodiscard]] bool refused() const {
      const auto staged = journal->staged();
      return staged && staged->size() == 1 && staged->front().state == store::StagedFile::State::refused;
    }
  } at;
  Answer<CreateResult> created;
  at.filesystem.create({}, at.mailbox("INBOX"), "new.eml", 0600, created.reply());
  ASSERT_EQ(created.wait().error(), 0);
  const auto node = created.value().entry.node;
  const auto handle = created.value().open.handle;
  Answer<std::size_t> written;
  at.filesystem.write({}, {node, handle, 5, "x"}, written.reply());
  ASSERT_EQ(written.wait().error(), 0);
  Answer<void> flushed;
  at.filesystem.flush({}, node, handle, flushed.reply());
  EXPECT_EQ(flushed.wait().error(), 0);
  at.filesystem.release(node, handle);
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (!at.refused() && SteadyClock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(at.refused());
  EXPECT_NE(at.journal->staged()->front().reason.find("never written"), std::string::npos);
}

// -- flags and attributes of what is put back --

struct PutBack : Unfinished {
  int set(NodeId file, const std::string& attribute, const std::string& value) {
    Answer<void> answer;
    filesystem.setxattr({}, file, attribute, value, answer.reply());
    return answer.wait().error();
  }
};

TEST_F(PutBack, FlagsOfAFileThatIsNotUploadedYetGoWithItsAppend) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(write(file, mail), 0);
  EXPECT_EQ(set(file.node, "user.imap.flags", "\\Seen $Work"), 0);
  EXPECT_EQ(set(file.node, "user.imap.flags", "+\\Flagged -$Work"), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(sent(), Lines{"append INBOX/new.eml"});
  EXPECT_EQ(last_upload().flags, FlagSet::parse("\\Seen \\Flagged"));
}

TEST_F(PutBack, FlagsOfAFileThatWasUploadedAMomentAgoAreTheMessages) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(write(file, mail), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(set(file.node, "user.imap.flags", "\\Seen"), 0);
  EXPECT_EQ(sent().back(), "flags INBOX/101 \\Seen");
  close(file);
  EXPECT_EQ(set(file.node, "user.imap.flags", "\\Flagged"), 0);
  EXPECT_EQ(sent().back(), "flags INBOX/101 \\Flagged");
}

TEST_F(PutBack, FlagsGivenToATemporaryFileAreNotThoseOfTheMessageInItsWay) {
  Answer<void> flagged;
  filesystem.setxattr({}, node, "user.imap.flags", "\\Answered", flagged.reply());
  ASSERT_EQ(flagged.wait().error(), 0);
  const auto file = write_temporary("INBOX/.new.part", mail);
  EXPECT_EQ(set(file, "user.imap.flags", "\\Seen"), 0);
  EXPECT_EQ(mv("INBOX/.new.part", "INBOX/" + name), 0);
  EXPECT_EQ(last_upload().flags, FlagSet::parse("\\Seen"));
}

TEST_F(PutBack, WhatIsNoFlagIsRefused) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(set(file.node, "user.imap.flags", "a(b"), EINVAL);
}

TEST_F(PutBack, OtherAttributesOfANewFileAreTakenWithoutEffect) {
  const auto file = create("INBOX/new.eml");
  EXPECT_EQ(set(file.node, "user.imap.uid", "4711"), 0);
  EXPECT_EQ(write(file, mail), 0);
  EXPECT_EQ(flush(file), 0);
  close(file);
  EXPECT_EQ(set(file.node, "user.imap.subject", "x"), 0);
  EXPECT_EQ(set(mailbox("INBOX"), "user.imap.mailbox", "x"), 0) << "as are modes and times of directories";
  EXPECT_EQ(set(node, "user.imap.uid", "4711"), EPERM) << "a message that was there before";
  EXPECT_EQ(set(file.node, "user.comment", "x"), EOPNOTSUPP);
}

}  // namespace
}  // namespace imapfs::vfs
