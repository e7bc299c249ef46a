// Temporary names, limits, errors and what an earlier process left.

#include "vfs/staging/staging.hpp"
#include "vfs/staging/backup_names.hpp"
#include "vfs/staging/temporary_names.hpp"

#include "files_situation.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::vfs {
namespace {

TEST(TemporaryNames, AreThoseThatToolsRename) {
  for (const char* name : {".a.eml.K0zFit",
                           ".hidden",
                           "mail~",
                           "sedtq8pzR",
                           "XX5n0tEw",
                           "d2utmpa8Kx2Q",
                           "a.tmp",
                           "a.temp",
                           "a.part",
                           "a.partial",
                           "a.crdownload",
                           "a.swp",
                           "a.swx",
                           "tmp_obj_x",
                           "draft.Ab3dE9",
                           "draft.abCDef",
                           "draft.a1b2c3d4e5",
                           "tmpx3k_9wq2",
                           "tmpx3k_9wq2.eml",
                           "a.eml___jb_tmp___",
                           "a.eml___jb_old___"}) {
    EXPECT_TRUE(is_temporary_name(name)) << name;
  }
}

TEST(TemporaryNames, AreNotThoseOfMail) {
  for (const char* name : {"a.eml",
                           "mail",
                           "sed",
                           "sedate1",
                           "sediment.eml",
                           "sed12345",
                           "sediments",
                           "4913.eml",
                           "#1",
                           "#",
                           "tmp",
                           "a.lock.eml",
                           "a~b",
                           "2026-11-20_0930_anna@example.org_Lunch.4711.eml",
                           "draft.public",
                           "draft.longsuffix",
                           "draft.abcdefgh",
                           "XX5n0tE",
                           "XX202411",
                           "template",
                           "a.Ab3dE",
                           "a.Ab3d-9",
                           "~",
                           "re: x.EML",
                           "___jb_tmp___"}) {
    EXPECT_FALSE(is_temporary_name(name)) << name;
  }
}

TEST(TemporaryNames, AreNotThoseThatPeopleAndMailProgramsChoose) {
  for (const char* name :
       {"mail.1732635123", "mail.202411", "msg.000001", "Rechnung.2024Q1", "1732635123.M1P2.mail01", "tmp_report.eml",
        "tmp_notes_12", "tmpreport12", "draft.lock", "4913", "Re.ABCDEF", "#1 offer#", "msg.Report", "a.MyFile",
        "a.report1234", "a.20241126ab", "letter.bak", "letter.orig"}) {
    EXPECT_FALSE(is_temporary_name(name)) << name;
  }
}

TEST(TemporaryNames, OfDirectoriesAreFewerForTheyAreLocalForGood) {
  for (const char* name : {".old", ".~tmp~", "tmp.Ab3dE9xYz1", "tmpx3k_9wq2", "New.tmp", "a~"}) {
    EXPECT_TRUE(is_temporary_directory_name(name)) << name;
  }
  for (const char* name :
       {"Lists.NetBSD", "Lists.PyPI3k", "Projekt.A1B2C3", "Case.4F7T2Q", "XXLarge1", "sedGitHub", "Work"}) {
    EXPECT_FALSE(is_temporary_directory_name(name)) << name;
  }
}

TEST(BackupNames, TellOfWhichFile) {
  for (const char* name : {"a.eml~", "a.eml.bak", "a.eml.bck", "a.emlXk3d9Q.bck", "a.eml___jb_old___", "a.eml.~12~",
                           "#a.eml#", ".a.eml.swp", ".a.eml.un~", ".#a.eml", "a.eml.orig"}) {
    EXPECT_TRUE(is_backup_of(name, "a.eml")) << name;
  }
  for (const char* name :
       {"a.eml", "a", "b.eml~", "~", "##", ".bck", "a.eml.tmp", "a.eml___jb_tmp___", "a.eml.~x~", "a.eml-Xk3d9Q.bck"}) {
    EXPECT_FALSE(is_backup_of(name, "a.eml")) << name;
  }
}

/// Staging that does not wait long for names.
struct Waiting : JournalOfATest {
  explicit Waiting(std::chrono::milliseconds patience = std::chrono::hours(1),
                   std::chrono::milliseconds grace = std::chrono::milliseconds(1))
      : staging({account, publisher, settings, entries, aliases, outbox, scheduler, patience, grace}) {
    account.changes().set_journal(journal);
    publisher.connect_mailboxes(&account.mailboxes());
    account.mailboxes().add("INBOX", 7);
    account.mailboxes().complete("INBOX");
    publisher.events().open(1);
  }
  OpenFile create(const std::string& name) {
    Answer<CreateResult> answer;
    staging.create(Files::caller(1), account.id("INBOX"), name, answer.reply());
    EXPECT_EQ(answer.wait().error(), 0);
    return {answer.value().entry.node, answer.value().open.handle};
  }
  void write(const OpenFile& file, const std::string& text) {
    Answer<std::size_t> written;
    staging.write({file.node, file.handle, 0, text}, written.reply());
    EXPECT_EQ(written.wait().error(), 0);
  }
  OpenFile cp(const std::string& name, const std::string& text) {
    const auto file = create(name);
    write(file, text);
    staging.release(file.node, file.handle);
    return file;
  }
  int drain() {
    Answer<void> answer;
    staging.outbox().drain(answer.reply());
    cause = answer.wait().error() == 0 ? "" : answer.cause();
    return answer.error();
  }
  nlohmann::json status() {
    Answer<nlohmann::json> answer;
    staging.outbox().describe(answer.reply());
    return answer.wait().error() == 0 ? answer.value() : nlohmann::json();
  }
  /// Waits for the event that tells of an upload that nobody waited for.
  bool hears_of_upload() {
    while (true) {
      Answer<std::string> lines;
      publisher.events().read({1, 65536, true, {}}, lines.reply());
      if (lines.wait().error() != 0) return false;
      if (lines.value().find("\"uploaded\"") != std::string::npos) return true;
    }
  }
  const Settings settings{};
  testing::FakeAccount account{std::vector<std::string>{"INBOX", "Sent"}};
  ChangePublisher publisher;
  Scheduler scheduler;
  NodeAliases aliases;
  LocalEntries entries{aliases};
  std::string cause;
  sync::Outbox outbox{journal};
  Staging staging;
};

TEST(TemporaryNames, ThatNobodyChangesAreTakenAsFinalInTheEnd) {
  Waiting at(std::chrono::milliseconds(1));
  at.cp("letter.part", mail);
  ASSERT_TRUE(at.hears_of_upload());
  EXPECT_EQ(at.account.changes().uploads()[0].target.file_name, "letter.part");
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.status().at("temporary"), 0);
}

TEST(TemporaryNames, OfWhatSomebodyHasOpenAreWaitedForByNobody) {
  Waiting at;
  const auto file = at.create("letter.part");
  at.write(file, mail);
  EXPECT_EQ(at.drain(), 0) << "it is being written";
  EXPECT_EQ(at.account.changes().uploads().size(), 0u);
  EXPECT_EQ(at.status().at("open"), 1);
}

TEST(TemporaryNames, AreNotWaitedForLongByWhoWaitsForEverything) {
  Waiting at;
  at.cp("letter.part", mail);
  EXPECT_EQ(at.status().at("temporary"), 1);
  EXPECT_EQ(at.status().at("waiting"), nlohmann::json::array({"INBOX/letter.part"}));
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.account.changes().uploads().size(), 1u);
}

TEST(TemporaryNames, OfWhatIsNoMailAreToldOnceToWhoWaitsForEverything) {
  Waiting at;
  at.cp("photo.part", "no header\n");
  EXPECT_EQ(at.drain(), EINVAL);
  EXPECT_NE(at.cause.find("INBOX/photo.part"), std::string::npos) << at.cause;
  EXPECT_EQ(at.drain(), 0) << "a program's own file";
  EXPECT_EQ(at.status().at("temporary"), 1);
  EXPECT_EQ(at.account.changes().uploads().size(), 0u);
}

TEST(TemporaryNames, ThatAreGivenUpDoNotHoldUpWhoWaits) {
  Waiting at(std::chrono::hours(1), std::chrono::hours(1));
  const auto file = at.cp("letter.part", mail);
  Answer<void> settled;
  at.staging.outbox().drain(settled.reply());
  Answer<void> removed;
  at.staging.names().remove({}, file.node, removed.reply());
  EXPECT_EQ(removed.wait().error(), 0);
  EXPECT_EQ(settled.wait().error(), 0);
  EXPECT_EQ(at.account.changes().uploads().size(), 0u);
}

TEST(TemporaryNames, OfMessagesAreNamesLikeOthers) {
  Files at;
  EXPECT_EQ(at.mv("INBOX/" + at.name, "INBOX/letter.part"), 0);
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u) << "what is written to a message is its next version, whatever its name";
}

TEST(TemporaryNames, OfBackupsBesideTheirFilesAreLocal) {
  Waiting at(std::chrono::milliseconds(1));
  const auto name = at.account.mailboxes().add("INBOX", 8);
  at.cp(name + "~", mail);
  at.cp("#" + name + "#", mail);
  EXPECT_EQ(at.status().at("local"), 2);
  at.cp("letter.part", mail);
  ASSERT_TRUE(at.hears_of_upload()) << "the others have had their time as well";
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.account.changes().uploads().size(), 1u);
}

TEST(WaitingForEverything, FailsForWhatIsInTheOutboxOfThatMailbox) {
  Files at;
  at.account.changes().fail_next(Files::refused());
  EXPECT_EQ(at.cp("INBOX/new.eml", mail), EPERM);
  for (int times = 0; times < 2; ++times) {
    Answer<void> root;
    at.filesystem.fsyncdir({}, root_node, root.reply());
    EXPECT_EQ(root.wait().error(), EIO);
    EXPECT_NE(root.cause().find("new.eml"), std::string::npos) << root.cause();
  }
  Answer<void> inbox;
  at.filesystem.fsyncdir({}, at.mailbox("INBOX"), inbox.reply());
  EXPECT_EQ(inbox.wait().error(), EIO);
  Answer<void> sent;
  at.filesystem.fsyncdir({}, at.mailbox("Sent"), sent.reply());
  EXPECT_EQ(sent.wait().error(), 0);
}

TEST(Limits, ThatTheServerHasForAMessageAreMetAtWrite) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, std::string(101, 'x')), EFBIG);
  EXPECT_EQ(at.write(file, "x", 100), EFBIG);
  EXPECT_EQ(at.set_size(file.node, 101), EFBIG);
  EXPECT_EQ(at.fallocate(file, 101), EFBIG);
  EXPECT_EQ(at.write(file, "x", 99), 0);
}

TEST(Limits, CountTheLineEndsThatTheServerWillGet) {
  Files at;
  const std::string text = "From: anna\n\nHello\n";
  at.account.changes().set_append_limit(text.size() + 2);
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, text), 0);
  EXPECT_EQ(at.flush(file), EFBIG);
  EXPECT_EQ(at.uploads(), 0u);
}

TEST(Limits, OfStagingAreAFullDisk) {
  struct Small : JournalOfATest, Situation {
    static Settings settings() {
      auto settings = default_settings();
      settings.staging_limit = 1000;
      return settings;
    }
    Small() : Situation(settings(), {"INBOX"}, journal) { account.changes().set_journal(journal); }
    OpenFile create(const std::string& name) {
      Answer<CreateResult> answer;
      filesystem.create({}, mailbox("INBOX"), name, 0600, answer.reply());
      EXPECT_EQ(answer.wait().error(), 0);
      return {answer.value().entry.node, answer.value().open.handle};
    }
    int write(const OpenFile& file, std::size_t length, std::uint64_t offset = 0) {
      Answer<std::size_t> answer;
      filesystem.write({}, {file.node, file.handle, offset, std::string(length, 'x')}, answer.reply());
      return answer.wait().error();
    }
  } at;
  const auto first = at.create(".first");
  const auto second = at.create(".second");
  EXPECT_EQ(at.write(first, 600), 0);
  EXPECT_EQ(at.write(second, 401), ENOSPC) << "all files together";
  EXPECT_EQ(at.write(second, 400), 0);
  EXPECT_EQ(at.write(first, 600), 0) << "what is there may be written again";
  Answer<void> removed;
  at.filesystem.unlink({}, at.mailbox("INBOX"), ".first", removed.reply());
  EXPECT_EQ(removed.wait().error(), 0);
  at.filesystem.release(first.node, first.handle);
  EXPECT_EQ(at.write(second, 1000), 0);
}

TEST(Parts, OfWhatCouldNotBeWrittenAreNeverUploaded) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.write(file, std::string(100, 'x'), mail.size()), EFBIG);
  EXPECT_EQ(at.flush(file), EFBIG);
  EXPECT_EQ(at.fsync(file), EFBIG);
  EXPECT_EQ(at.flush(file), EFBIG);
  at.close(file);
  EXPECT_EQ(at.drain(), EIO);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_FALSE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.outbox().size(), 1u);
}

TEST(Parts, ThatWereNeverFlushedAreNotUploadedEither) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.fallocate(file, 101), EFBIG);
  at.close(file);
  EXPECT_EQ(at.drain(), EIO);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.outbox().size(), 1u);
}

TEST(Parts, OfTheNewVersionOfAMessageLeaveItAsItIs) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.set_size(file.node, 101), EFBIG);
  EXPECT_EQ(at.flush(file), EFBIG);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.cat(at.node), "From: anna\r\n\r\nHello\r\n");
}

TEST(Parts, UnderATemporaryNameAreNotRenamedIntoTheMailbox) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.create("INBOX/.new.eml.a1B2c3");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.write(file, std::string(100, 'x'), mail.size()), EFBIG);
  EXPECT_EQ(at.flush(file), EFBIG);
  at.close(file);
  EXPECT_EQ(at.mv("INBOX/.new.eml.a1B2c3", "INBOX/new.eml"), EFBIG);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_TRUE(at.outbox().empty());
  EXPECT_EQ(at.rm("INBOX/.new.eml.a1B2c3"), 0);
}

TEST(Parts, AreForgottenWhenTheFileIsEmptied) {
  Files at;
  at.account.changes().set_append_limit(100);
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.write(file, std::string(100, 'x'), mail.size()), EFBIG);
  EXPECT_EQ(at.flush(file), EFBIG);
  EXPECT_EQ(at.set_size(file.node, 0), 0);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_TRUE(at.outbox().empty());
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), mail);
}

TEST(Limits, OfTheQuotaAreMetAtCreateAndWrite) {
  Files at;
  sync::Usage usage;
  usage.used_kib = 100;
  usage.limit_kib = 100;
  at.account.set_usage(usage);
  EXPECT_EQ(at.create_error("INBOX/new.eml"), EDQUOT);
}

TEST(Creating, IsWhatRightsAllow) {
  Files at;
  sync::MailboxRights rights;
  rights.insert = false;
  at.account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(at.create_error("INBOX/new.eml"), EACCES);
  EXPECT_EQ(at.open_error(at.node, O_WRONLY), EACCES);
  rights.insert = true;
  rights.remove_messages = false;
  at.account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(at.create_error("INBOX/new.eml"), 0);
  EXPECT_EQ(at.open_error(at.node, O_WRONLY), EACCES) << "the old version could not be removed";
  rights.read_only = true;
  at.account.mailboxes().set_rights("INBOX", rights);
  EXPECT_EQ(at.create_error("INBOX/other.eml"), EROFS);
}

TEST(Creating, IsForDirectoriesThatHoldMessages) {
  Files at;
  EXPECT_EQ(at.create_error("new.eml"), EPERM);
  EXPECT_EQ(at.create_error("Archive/new.eml"), EPERM) << "not selectable";
  EXPECT_EQ(at.create_error("INBOX/.deleted/new.eml"), EPERM);
  EXPECT_EQ(at.create_error(fixed_node(FixedNode::control_directory), "new"), EACCES);
  EXPECT_EQ(at.create_error(fixed_node(FixedNode::outbox), "new"), EACCES);
  EXPECT_EQ(at.create_error("INBOX/" + std::string(256, 'x')), ENAMETOOLONG);
  EXPECT_EQ(at.open_error(fixed_node(FixedNode::status), O_WRONLY), EACCES);
}

TEST(Creating, UnderTheNameOfAMessageOpensIt) {
  Files at;
  OpenFile file;
  EXPECT_EQ(at.create_error("INBOX/" + at.name, &file), 0);
  EXPECT_EQ(file.node, at.node);
}

TEST(Uploads, ThatAreNoMessageAreRefusedWithoutAskingTheServer) {
  Files at;
  EXPECT_EQ(at.cp("INBOX/binary", std::string("From: a\r\n\r\n\0", 12)), EINVAL);
  EXPECT_EQ(at.cp("INBOX/note", "just a text, no header\n"), EINVAL);
  EXPECT_EQ(at.uploads(), 0u);
}

TEST(Uploads, AreAnsweredWithTheServersWord) {
  Files at;
  at.account.changes().fail_next(Files::refused(EDQUOT));
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), EDQUOT);
  EXPECT_EQ(at.flush(file), 0) << "tried again";
  at.close(file);
  EXPECT_TRUE(at.there("INBOX/new.eml"));
  EXPECT_TRUE(at.outbox().empty());
}

TEST(Uploads, ThatFailLeaveTheOldVersion) {
  Files at;
  at.account.changes().fail_next(Files::refused());
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), EPERM);
  at.close(file);
  EXPECT_EQ(at.cat(at.node), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(at.outbox().size(), 1u) << "what was written is not lost";
}

TEST(Uploads, AtARenameThatFailLeaveTheOldName) {
  Files at;
  const auto node = at.write_temporary("INBOX/.new.part", mail);
  at.account.changes().fail_next(Files::refused());
  EXPECT_EQ(at.mv("INBOX/.new.part", "INBOX/new.eml"), EPERM);
  EXPECT_EQ(at.find("INBOX/.new.part"), node);
  EXPECT_FALSE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.journal->staged()->front().name, ".new.part");
  EXPECT_EQ(at.mv("INBOX/.new.part", "INBOX/new.eml"), 0);
  EXPECT_EQ(at.find("INBOX/new.eml"), node);
}

TEST(Uploads, ThatNobodyWaitsForAreTriedAgain) {
  Files at;
  at.account.changes().fail_next(Files::offline());
  const auto file = at.create("INBOX/new.eml", 10);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file, 11), 0);
  at.close(file);
  EXPECT_TRUE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.journal->staged()->front().state, store::StagedFile::State::queued);
  EXPECT_TRUE(at.outbox().empty()) << "it is on its way";
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.uploads(), 2u);
  EXPECT_EQ(at.cat(file.node), mail);
}

TEST(Uploads, ThatNobodyWaitsForAndThatAreRefusedGoToTheOutbox) {
  Files at;
  at.account.changes().fail_next(Files::refused());
  const auto file = at.create("INBOX/new.eml", 10);
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file, 11), 0);
  at.close(file);
  EXPECT_EQ(at.drain(), EIO);
  EXPECT_FALSE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.outbox().size(), 1u);
}

TEST(Uploads, HoldWritesBackUntilTheyAreDone) {
  Files at;
  at.account.changes().hold_changes();
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  Answer<void> flushed;
  at.filesystem.flush(Files::caller(1), file.node, file.handle, flushed.reply());
  Answer<std::size_t> written;
  at.filesystem.write({}, {file.node, file.handle, mail.size(), "more\r\n"}, written.reply());
  EXPECT_EQ(at.text_of(file), mail) << "reads go on";
  EXPECT_FALSE(written.came());
  at.account.changes().finish_changes();
  EXPECT_EQ(flushed.wait().error(), 0);
  EXPECT_EQ(written.wait().error(), 0);
  EXPECT_EQ(at.account.bodies().body_text("INBOX", 101), mail);
}

TEST(Uploads, WhoseMessageTheServerDoesNotNameShowAsNews) {
  Files at;
  at.account.arrivals().arrive_unknown();
  EXPECT_EQ(at.cp("INBOX/new.eml", mail), 0);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_TRUE(at.journal->staged()->empty());
}

/// A journal that an earlier process filled, and a mount that finds it.
struct FilledJournal : JournalOfATest {
  using State = store::StagedFile::State;
  store::StagedId stage(const std::string& name, State state, const std::string& text,
                        const std::string& mailbox = "INBOX") {
    store::StagedFile file;
    file.state = state;
    file.mailbox = mailbox;
    file.name = name;
    file.internal_date = 1500000000;
    EXPECT_TRUE(journal->stage(file));
    store::testing::write_file(journal->staging_path(file.id), text);
    return file.id;
  }
};

struct Remounted : Situation {
  explicit Remounted(FilledJournal& journal_of_before)
      : Situation(default_settings(), {"INBOX"}, journal_of_before.journal), filled(journal_of_before) {
    account.changes().set_journal(filled.journal);
    account.mailboxes().complete("INBOX");
  }
  int drain() {
    Answer<void> answer;
    filesystem.fsyncdir({}, root_node, answer.reply());
    return answer.wait().error();
  }
  std::vector<std::string> outbox() {
    auto all = names(list(fixed_node(FixedNode::outbox)));
    std::erase_if(all, [](const auto& entry) { return entry == "." || entry == ".."; });
    return all;
  }
  FilledJournal& filled;
};

TEST(Recovery, UploadsWhatWasReportedAsWritten) {
  FilledJournal filled;
  filled.stage("new.eml", FilledJournal::State::queued, mail);
  Remounted at(filled);
  EXPECT_EQ(at.drain(), 0);
  ASSERT_EQ(at.account.changes().uploads().size(), 1u);
  EXPECT_EQ(at.account.changes().uploads().back().target.file_name, "new.eml");
  EXPECT_EQ(at.account.changes().uploads().back().internal_date, 1500000000);
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "new.eml").wait().error(), 0);
}

TEST(Recovery, PutsUnfinishedFilesIntoTheOutbox) {
  FilledJournal filled;
  const auto open = filled.stage("new.eml", FilledJournal::State::open, mail);
  const auto temporary = filled.stage(".n.Ab3dE9", FilledJournal::State::open, mail);
  const auto lost = filled.stage("x.eml", FilledJournal::State::queued, mail, "Gone");
  const auto refused = filled.stage("r.eml", FilledJournal::State::refused, mail);
  filled.stage("empty.eml", FilledJournal::State::open, "");
  Remounted at(filled);
  EXPECT_EQ(at.drain(), EIO) << "it is told that they are not on the server";
  EXPECT_EQ(at.account.changes().uploads().size(), 0u);
  const auto name = [](store::StagedId id, const std::string& text) { return std::to_string(id.value) + "-" + text; };
  EXPECT_EQ(at.outbox(), (std::vector<std::string>{name(open, "new.eml"), name(temporary, ".n.Ab3dE9"),
                                                   name(lost, "x.eml"), name(refused, "r.eml")}));
  EXPECT_EQ(at.lookup(at.mailbox("INBOX"), "new.eml").wait().error(), ENOENT) << "it is not on the server";
  const auto rows = filled.journal->staged();
  EXPECT_EQ(rows->size(), 4u) << "an empty file is no loss";
  for (const auto& row : *rows) EXPECT_EQ(row.state, FilledJournal::State::refused);
}

TEST(Recovery, UploadsUnderATemporaryNameWhatWasQueuedUnderIt) {
  FilledJournal filled;
  filled.stage("letter.part", FilledJournal::State::queued, mail);
  Remounted at(filled);
  EXPECT_EQ(at.drain(), 0);
  EXPECT_EQ(at.account.changes().uploads().size(), 1u);
}

TEST(Recovery, LeavesBackupsWhereTheyAre) {
  FilledJournal filled;
  filled.stage("letter.eml~", FilledJournal::State::local, mail);
  Remounted at(filled);
  EXPECT_EQ(at.drain(), 0);
  EXPECT_TRUE(at.outbox().empty());
  const auto found = at.lookup(at.mailbox("INBOX"), "letter.eml~");
  ASSERT_EQ(found.wait().error(), 0);
  EXPECT_EQ(found.value().attributes.size, mail.size());
  EXPECT_EQ(at.account.changes().uploads().size(), 0u);
}

/// The account is told of what is pending before the file system asks, as the real one is.
struct AccountOfBefore : FilledJournal {
  AccountOfBefore() : account({"INBOX", "Sent"}) {
    account.changes().set_journal(journal);
    account.mailboxes().complete("INBOX");
    publisher.connect_mailboxes(&account.mailboxes());
  }
  void mount() {
    filesystem = std::make_unique<Filesystem>(account, publisher, scheduler, Situation::default_settings(),
                                              std::make_unique<sync::Outbox>(journal));
    drained();
  }
  /// Everything that the mount has begun is done.
  void drained() {
    Answer<ReadResult> after;
    filesystem->read({}, {staged_node(0x7fffffffU), (HandleId{1} << 40), 0, 1, 0}, after.reply());
    after.wait();
  }
  Answer<Entry> lookup(const std::string& path_in_inbox) {
    Answer<Entry> answer;
    filesystem->lookup({}, mailbox_node(account.id("INBOX")), path_in_inbox, answer.reply());
    answer.wait();
    return answer;
  }
  testing::FakeAccount account;
  ChangePublisher publisher;
  Scheduler scheduler;
  std::unique_ptr<Filesystem> filesystem;
};

TEST(Recovery, ShowsAMoveOfBeforeUnderItsNameAndThenTheMessage) {
  AccountOfBefore at;
  at.account.mailboxes().add("Sent", 7);
  sync::PendingArrival pending;
  pending.change = sync::ChangeId{5};
  pending.target = {at.account.id("INBOX"), "moved.eml", {}};
  pending.meta = testing::fake_message(7);
  pending.source = {at.account.id("Sent"), UidValidity{testing::FakeAccount::default_validity}, Uid{7}};
  at.account.changes().add_pending(pending);
  at.mount();
  const auto before = at.lookup("moved.eml");
  ASSERT_EQ(before.error(), 0);
  EXPECT_EQ(before.value().attributes.size, 1007u);
  auto meta = testing::fake_message(8);
  meta.file_name = "moved.eml";
  at.account.mailboxes().add("INBOX", meta);
  at.account.mailboxes().messages("INBOX").set_local_name(meta.uid, meta.file_name);
  at.account.changes().end_pending(
      pending.change,
      sync::Arrival{{at.account.id("INBOX"), UidValidity{testing::FakeAccount::default_validity}, Uid{8}},
                    "moved.eml"});
  at.drained();
  const auto after = at.lookup("moved.eml");
  ASSERT_EQ(after.error(), 0);
  EXPECT_EQ(after.value().node, before.value().node) << "the kernel's inode goes on";
  EXPECT_EQ(after.value().attributes.size, 1008u);
}

TEST(Recovery, TakesAwayTheNameOfAMoveThatIsRefusedInTheEnd) {
  AccountOfBefore at;
  sync::PendingArrival pending;
  pending.change = sync::ChangeId{5};
  pending.target = {at.account.id("INBOX"), "moved.eml", {}};
  at.account.changes().add_pending(pending);
  at.mount();
  EXPECT_EQ(at.lookup("moved.eml").error(), 0);
  at.account.changes().end_pending(pending.change, fail(Files::refused()));
  at.drained();
  EXPECT_EQ(at.lookup("moved.eml").error(), ENOENT);
}

TEST(Recovery, WaitsForAnUploadThatTheAccountCarriesOnWith) {
  AccountOfBefore at;
  const auto staged = at.stage("new.eml", FilledJournal::State::queued, mail);
  sync::PendingArrival pending;
  pending.change = sync::ChangeId{5};
  pending.target = {at.account.id("INBOX"), "new.eml", {}};
  pending.staged = staged;
  at.account.changes().add_pending(pending);
  at.mount();
  const auto before = at.lookup("new.eml");
  ASSERT_EQ(before.error(), 0);
  EXPECT_EQ(before.value().attributes.size, mail.size());
  auto meta = testing::fake_message(8);
  meta.file_name = "new.eml";
  at.account.mailboxes().add("INBOX", meta);
  at.account.mailboxes().messages("INBOX").set_local_name(meta.uid, meta.file_name);
  at.account.changes().end_pending(
      pending.change,
      sync::Arrival{{at.account.id("INBOX"), UidValidity{testing::FakeAccount::default_validity}, Uid{8}}, "new.eml"});
  at.drained();
  EXPECT_EQ(at.lookup("new.eml").value().node, before.value().node);
  EXPECT_TRUE(at.account.changes().uploads().empty()) << "not a second time";
}

/// The server was asked what became of it, and does not have it.
TEST(Recovery, SendsAnUploadAgainThatWasPromisedAndHasNotCome) {
  AccountOfBefore at;
  const auto staged = at.stage("new.eml", FilledJournal::State::queued, mail);
  sync::PendingArrival pending;
  pending.change = sync::ChangeId{5};
  pending.target = {at.account.id("INBOX"), "new.eml", {}};
  pending.staged = staged;
  at.account.changes().add_pending(pending);
  at.mount();
  ASSERT_EQ(at.lookup("new.eml").error(), 0);
  at.account.changes().end_pending(pending.change, fail(Error{EINTR, Scope::message, Retry::never, "interrupted"}));
  at.drained();
  ASSERT_EQ(at.account.changes().uploads().size(), 1u);
  EXPECT_EQ(at.account.changes().uploads().back().target.file_name, "new.eml");
}

}  // namespace
}  // namespace imapfs::vfs
