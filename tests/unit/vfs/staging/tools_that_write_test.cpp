// The tools that write files, each with the operations it sends.

#include "files_situation.hpp"

namespace imapfs::vfs {
namespace {

TEST(ToolsThatWrite, CpUploadsOnceAtItsFlush) {
  Files at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail.substr(0, 20)), 0);
  EXPECT_EQ(at.write(file, mail.substr(20), 20), 0);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.flush(file), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().target.file_name, "new.eml");
  EXPECT_EQ(at.last_upload().target.replaces.uid.value, 0u);
  EXPECT_EQ(at.last_upload().canonical_size, mail.size());
  EXPECT_EQ(at.last_upload().message_id, "<1@example.org>");
  EXPECT_FALSE(at.last_upload().internal_date);
  at.close(file);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), mail);
  EXPECT_EQ(at.find("INBOX/new.eml"), file.node) << "the kernel's inode goes on";
  EXPECT_EQ(at.cat(file.node), mail);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, CpThatKeepsTimesGivesTheInternalDate) {
  Files at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.set_times(file.node, 1500000000), 0);
  EXPECT_EQ(at.set_mode(file.node, 0644), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().internal_date, 1500000000);
  EXPECT_EQ(at.getattr(file.node).wait().value().attributes.time.seconds, 1500000000);
}

TEST(ToolsThatWrite, Copy2SetsTheTimeAfterTheUploadAndGetsASecondOneInPlaceOfTheFirst) {
  Files at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.set_times(file.node, 1500000000), 0);
  EXPECT_EQ(at.set_mode(file.node, 0644), 0);
  ASSERT_EQ(at.uploads(), 2u);
  EXPECT_EQ(at.last_upload().internal_date, 1500000000);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{101});
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 102), mail);
  EXPECT_TRUE(at.sent().back().starts_with("expunge ")) << at.sent().back();
  EXPECT_EQ(at.find("INBOX/new.eml"), file.node);
  EXPECT_EQ(at.account.bodies().opened(), 0) << "the octets were still here";
}

TEST(ToolsThatWrite, ATimeThatIsTheMessagesOwnNeedsNothing) {
  Files at;
  EXPECT_EQ(at.cp("INBOX/new.eml", mail), 0);
  EXPECT_EQ(at.set_times(at.find("INBOX/new.eml"), 1700000000), 0);
  EXPECT_EQ(at.uploads(), 1u);
}

TEST(ToolsThatWrite, EchoFlushesAnEmptyFileFirst) {
  Files at;
  const auto file = at.create("INBOX/e1");
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
}

TEST(ToolsThatWrite, AChildsFlushInMidFileUploadsNothing) {
  Files at;
  const auto file = at.create("INBOX/e2", 10);
  EXPECT_EQ(at.flush(file, 10), 0);
  EXPECT_EQ(at.write(file, mail.substr(0, 20)), 0);
  EXPECT_EQ(at.flush(file, 11), 0);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.write(file, mail.substr(20), 20), 0);
  EXPECT_EQ(at.flush(file, 10), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), mail);
}

TEST(ToolsThatWrite, WhatOnlyOtherProcessesFlushedIsUploadedAfterTheLastClose) {
  Files at;
  const auto file = at.create("INBOX/e2", 10);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file, 11), 0);
  at.close(file);
  EXPECT_EQ(at.drain(), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.find("INBOX/e2"), file.node);
  EXPECT_EQ(at.cat(file.node), mail);
}

TEST(ToolsThatWrite, AFurtherWriteIsANewVersion) {
  Files at;
  const auto file = at.create("INBOX/log.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.uploads(), 1u) << "nothing new was written";
  EXPECT_EQ(at.write(file, "more\r\n", mail.size()), 0);
  EXPECT_EQ(at.text_of(file), mail + "more\r\n");
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 2u);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{101});
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 102), mail + "more\r\n");
  EXPECT_EQ(at.cat(file.node), mail + "more\r\n");
}

TEST(ToolsThatWrite, RsyncUploadsAtTheRenameToTheFinalName) {
  Files at;
  const auto file = at.create("INBOX/.a.eml.K0zFit");
  EXPECT_EQ(at.set_mode(file.node, 0600), 0);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.set_times(file.node, 1500000000), 0);
  const auto reader = at.open_as(file.node, O_RDONLY);
  EXPECT_EQ(at.set_mode(file.node, 0644), 0);
  EXPECT_EQ(at.text_of(reader), mail);
  EXPECT_EQ(at.flush(reader), 0);
  at.close(reader);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.mv("INBOX/.a.eml.K0zFit", "INBOX/a.eml"), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().target.file_name, "a.eml");
  EXPECT_EQ(at.last_upload().internal_date, 1500000000);
  EXPECT_EQ(at.find("INBOX/a.eml"), file.node);
  EXPECT_FALSE(at.there("INBOX/.a.eml.K0zFit"));
  EXPECT_EQ(at.cat(file.node), mail);
}

TEST(ToolsThatWrite, WhatIsRenamedWhileItIsWrittenIsUploadedWhenItIsClosed) {
  Files at;
  const auto file = at.create("INBOX/.a.eml.K0zFit");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.mv("INBOX/.a.eml.K0zFit", "INBOX/a.eml"), 0);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.find("INBOX/a.eml"), file.node);
  EXPECT_EQ(at.write(file, "more\r\n", mail.size()), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.cat(at.find("INBOX/a.eml")), mail + "more\r\n");
}

TEST(ToolsThatWrite, ARenameDoesNotWaitForTheKernelToReleaseWhatWasClosed) {
  Files at;
  const auto file = at.create("INBOX/.a.eml.K0zFit");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.mv("INBOX/.a.eml.K0zFit", "INBOX/a.eml"), 0);
  EXPECT_EQ(at.uploads(), 1u);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
}

TEST(ToolsThatWrite, ARenameIsAnsweredInTimeAndItsFileIsQueuedInThePlaceOfTheOld) {
  Files at;
  const auto file = at.create("INBOX/.new.tmp");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  at.account.changes().hold_changes();
  Caller caller;
  caller.answer_by = SteadyClock::now();
  Answer<void> renamed;
  const auto inbox = at.mailbox("INBOX");
  at.filesystem.rename(caller, {inbox, ".new.tmp", inbox, at.name, 0}, renamed.reply());
  EXPECT_EQ(renamed.wait().error(), 0) << "the server has said nothing yet";
  EXPECT_EQ(at.find("INBOX/" + at.name), file.node);
  const auto rows = at.journal->staged();
  ASSERT_TRUE(rows && rows->size() == 1);
  EXPECT_EQ(rows->front().state, store::StagedFile::State::queued);
  EXPECT_EQ(rows->front().name, at.name);
  EXPECT_EQ(rows->front().replaces.uid, Uid{7});
  at.account.changes().finish_changes();
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.uploads(), 1u);
}

TEST(ToolsThatWrite, SedGivesTheNewMessageTheFlagsAndTheDateOfTheOld) {
  Files at;
  auto meta = testing::fake_message(7);
  meta.flags.add("\\Flagged");
  at.account.mailboxes().add("INBOX", meta);
  const auto file = at.create("INBOX/sedtq8pzR");
  EXPECT_EQ(at.set_owner(file.node, 1000, 1000), 0);
  EXPECT_EQ(at.set_mode(file.node, 0644), 0);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.mv("INBOX/sedtq8pzR", "INBOX/" + at.name), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().target.file_name, at.name);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{7});
  EXPECT_EQ(at.last_upload().flags.to_string(), "\\Flagged");
  EXPECT_EQ(at.last_upload().internal_date, 1700000007);
  EXPECT_EQ(at.cat(at.find("INBOX/" + at.name)), mail);
}

TEST(ToolsThatWrite, VimEmptiesTheMessageFirstSoThatNothingIsFetched) {
  Files at;
  const auto file = at.open_as(at.node, O_WRONLY);
  EXPECT_EQ(at.set_size(at.node, 0), 0);
  EXPECT_EQ(at.getattr(at.node).wait().value().attributes.size, 0u);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.fsync(file), 0);
  EXPECT_EQ(at.set_mode(at.node, 0600), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.account.bodies().opened(), 0);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{7});
  EXPECT_EQ(at.last_upload().target.file_name, at.name) << "the name stays";
  EXPECT_EQ(at.last_upload().internal_date, 1700000007);
  EXPECT_EQ(at.find("INBOX/" + at.name), at.node) << "the inode stays";
  EXPECT_EQ(at.cat(at.node), mail);
}

TEST(ToolsThatWrite, NanoOpensWithTruncation) {
  Files at;
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.fsync(file), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.account.bodies().opened(), 0);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{7});
}

TEST(ToolsThatWrite, AppendingFetchesTheMessageAndUploadsAllOfIt) {
  Files at;
  const std::string before = "From: anna\r\n\r\nHello\r\n";
  const auto file = at.open_as(at.node, O_WRONLY | O_APPEND);
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.account.bodies().opened(), 0) << "opening alone costs nothing";
  EXPECT_EQ(at.write(file, "more\r\n", before.size()), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), before + "more\r\n");
}

TEST(ToolsThatWrite, OpeningForWritingWithoutWritingChangesNothing) {
  Files at;
  const auto file = at.open_as(at.node, O_RDWR);
  EXPECT_EQ(at.text_of(file), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, EmptyingAMessageWithoutWritingLeavesIt) {
  Files at;
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.cat(at.node), "From: anna\r\n\r\nHello\r\n");
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, TruncateOfAClosedMessageUploadsTheRest) {
  Files at;
  EXPECT_EQ(at.set_size(at.node, 14), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), "From: anna\r\n\r\n");
}

TEST(ToolsThatWrite, TarAndBorgSetEverythingBeforeTheFlush) {
  Files at;
  const auto file = at.create("INBOX/2.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.set_size(file.node, mail.size()), 0);
  EXPECT_EQ(at.set_owner(file.node, 1000, 1000), 0);
  EXPECT_EQ(at.set_mode(file.node, 0644), 0);
  EXPECT_EQ(at.set_times(file.node, 1500000000), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().internal_date, 1500000000);
}

TEST(ToolsThatWrite, ResticAllocatesFirst) {
  Files at;
  const auto file = at.create("INBOX/1.eml");
  EXPECT_EQ(at.fallocate(file, mail.size()), 0);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), mail);
}

TEST(ToolsThatWrite, MaildirDeliveryUploadsAtFsync) {
  Files at;
  const auto file = at.create("INBOX/1795315251.M174433P1990Q1.vm");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.fsync(file), 0);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
}

TEST(ToolsThatWrite, CpWithinTheMountIsACopyOnTheServer) {
  Files at;
  const auto file = at.create("Sent/copy.eml");
  EXPECT_EQ(at.copy_range(at.node, file, 1007), 1007);
  EXPECT_EQ(at.set_times(file.node, 1700000007), 0) << "the date comes with the copy";
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  ASSERT_EQ(at.sent().size(), 1u);
  EXPECT_TRUE(at.sent()[0].starts_with("copy ")) << at.sent()[0];
  EXPECT_EQ(at.find("Sent/copy.eml"), file.node);
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, ACopyOnItsWayHasTheSizeAndOctetsOfItsSource) {
  Files at;
  at.account.changes().hold_changes();
  const auto file = at.create("Sent/copy.eml");
  EXPECT_EQ(at.copy_range(at.node, file, 1007), 1007);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.find("Sent/copy.eml"), file.node);
  EXPECT_EQ(at.getattr(file.node).wait().value().attributes.size, 1007u);
  EXPECT_EQ(at.cat(file.node), "From: anna\r\n\r\nHello\r\n");
  at.account.changes().finish_changes();
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.find("Sent/copy.eml"), file.node);
}

TEST(ToolsThatWrite, ARefusedCopyDisappearsAgain) {
  Files at;
  at.account.changes().hold_changes();
  const auto file = at.create("Sent/copy.eml");
  EXPECT_EQ(at.copy_range(at.node, file, 1007), 1007);
  at.close(file);
  at.account.changes().refuse_changes(Files::refused());
  EXPECT_EQ(at.drain(), 0);
  EXPECT_FALSE(at.there("Sent/copy.eml"));
}

TEST(ToolsThatWrite, ACopyThatIsGivenAnotherDateIsFetchedAndAppendedWithIt) {
  Files at;
  const auto file = at.create("Sent/copy.eml");
  EXPECT_EQ(at.copy_range(at.node, file, 1007), 1007);
  at.close(file);
  EXPECT_EQ(at.set_times(file.node, 1500000000), 0);
  ASSERT_EQ(at.uploads(), 1u);
  EXPECT_EQ(at.last_upload().internal_date, 1500000000);
  EXPECT_EQ(at.last_upload().target.replaces.uid, Uid{101});
  EXPECT_EQ(at.account.bodies().body_text("Sent", 102), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(at.find("Sent/copy.eml"), file.node);
  EXPECT_EQ(at.cat(file.node), "From: anna\r\n\r\nHello\r\n");
}

TEST(ToolsThatWrite, WhatTheServerCannotCopyIsCopiedByTheTool) {
  Files at;
  const auto file = at.create("Sent/copy.eml");
  EXPECT_EQ(at.copy_range(at.node, file, 100), -EXDEV) << "a part";
  EXPECT_EQ(at.copy_range(at.node, file, 1007, 10), -EXDEV) << "not from the start";
  EXPECT_EQ(at.write(file, "x"), 0);
  EXPECT_EQ(at.copy_range(at.node, file, 1007), -EXDEV) << "not empty";
  const auto temporary = at.create("Sent/.copy.eml.part");
  EXPECT_EQ(at.copy_range(at.node, temporary, 1007), -EXDEV) << "no final name yet";
  EXPECT_TRUE(at.sent().empty());
}

TEST(ToolsThatWrite, TouchMakesAnEmptyFileThatIsNeverUploaded) {
  Files at;
  const auto file = at.create("INBOX/t1");
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.set_times(file.node, 1795315251), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_TRUE(at.there("INBOX/t1"));
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.rm("INBOX/t1"), 0);
  EXPECT_FALSE(at.there("INBOX/t1"));
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, AFileThatIsRemovedWhileItIsOpenIsNeverUploaded) {
  Files at;
  const auto file = at.create("INBOX/.e1.swp");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.rm("INBOX/.e1.swp"), 0);
  EXPECT_EQ(at.text_of(file), mail);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_TRUE(at.journal->staged()->empty());
}

TEST(ToolsThatWrite, AppendFlagsAreGivenToNewMessages) {
  struct Flagged : JournalOfATest, Situation {
    static Settings settings() {
      auto settings = default_settings();
      settings.append_flags.add("\\Seen");
      return settings;
    }
    Flagged() : Situation(settings(), {"INBOX"}, journal) { account.changes().set_journal(journal); }
  } at;
  Answer<CreateResult> created;
  at.filesystem.create({}, at.mailbox("INBOX"), "new.eml", 0600, created.reply());
  ASSERT_EQ(created.wait().error(), 0);
  const auto node = created.value().entry.node;
  Answer<std::size_t> written;
  at.filesystem.write({}, {node, created.value().open.handle, 0, mail}, written.reply());
  Answer<void> flushed;
  at.filesystem.flush({}, node, created.value().open.handle, flushed.reply());
  ASSERT_EQ(flushed.wait().error(), 0);
  EXPECT_EQ(at.account.changes().uploads().back().flags.to_string(), "\\Seen");
}

TEST(Attributes, OfMessagesStayWhatTheyAre) {
  Files at;
  EXPECT_EQ(at.set_mode(at.node, 0600), 0);
  EXPECT_EQ(at.set_mode(at.node, 0644), EPERM);
  EXPECT_EQ(at.set_owner(at.node, 1000, 1000), 0);
  EXPECT_EQ(at.set_owner(at.node, 0, 0), EPERM);
  EXPECT_EQ(at.set_times(at.node, 1700000007), 0);
  EXPECT_EQ(at.set_times(at.node, 1700000008), EPERM);
  EXPECT_TRUE(at.sent().empty());
}

TEST(Attributes, OfDirectoriesAreTakenWithoutEffect) {
  Files at;
  const auto inbox = at.mailbox("INBOX");
  const auto before = at.getattr(inbox).wait().value().attributes;
  EXPECT_EQ(at.set_mode(inbox, 0755), 0) << "rsync, cp -a and tar do that last";
  EXPECT_EQ(at.set_times(inbox, 1600000001), 0);
  EXPECT_EQ(at.getattr(inbox).wait().value().attributes, before);
  EXPECT_EQ(at.set_owner(inbox, 0, 0), EPERM);
  EXPECT_EQ(at.set_size(inbox, 0), EISDIR);
}

TEST(Attributes, OfAnotherOwnerAreRefusedForNewFilesToo) {
  Files at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.set_owner(file.node, 0, 0), EPERM);
}

TEST(PageCache, IsNotKeptWhereTheServerHasOtherLineEnds) {
  Files at;
  const auto file = at.create("INBOX/unix.eml");
  const std::string text = "From: anna\n\nHello\n";
  EXPECT_EQ(at.write(file, text), 0);
  EXPECT_EQ(at.fsync(file), 0);
  EXPECT_EQ(at.text_of(file), text) << "as written until it is closed";
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.text_of(file), "From: anna\r\n\r\nHello\r\n");
  at.close(file);
  EXPECT_EQ(at.last_upload().canonical_size, text.size() + 3);
  EXPECT_FALSE(at.open(file.node).wait().value().keep_cache);
  EXPECT_TRUE(at.open(file.node).wait().value().keep_cache) << "from then on it is right";
}

TEST(PageCache, IsKeptWhereWhatWasWrittenIsWhatTheServerHas) {
  Files at;
  EXPECT_EQ(at.cp("INBOX/new.eml", mail), 0);
  EXPECT_TRUE(at.open(at.find("INBOX/new.eml")).wait().value().keep_cache);
}

}  // namespace
}  // namespace imapfs::vfs
