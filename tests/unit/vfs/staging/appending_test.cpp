// O_APPEND, and the sizes and octets that are shown after an upload has turned LF into CRLF.

#include <fcntl.h>

#include "files_situation.hpp"

namespace imapfs::vfs {
namespace {

const std::string log_text = "Subject: log\n\n";
const std::string mail_of_text = "Subject: log\r\n\r\n";

struct Appending : Files {
  /// As the kernel sends it that believes the file to be `believed` long.
  int append(const OpenFile& file, const std::string& data, std::uint64_t believed) {
    Answer<std::size_t> answer;
    filesystem.write({}, {file.node, file.handle, believed, data, true}, answer.reply());
    return answer.wait().error();
  }
  std::uint64_t size_of(NodeId id) { return getattr(id).wait().value().attributes.size; }
  OpenResult open_result(NodeId id, int flags) {
    Answer<OpenResult> answer;
    filesystem.open(caller(1), id, flags, answer.reply());
    EXPECT_EQ(answer.wait().error(), 0);
    return answer.value();
  }
  /// echo log_text > INBOX/log; its node.
  NodeId log() {
    EXPECT_EQ(cp("INBOX/log", log_text), 0);
    return find("INBOX/log");
  }
};

TEST(Appending, GoesToTheEndWhateverTheKernelBelieves) {
  Appending at;
  const auto log = at.log();
  const auto file = at.open_as(log, O_WRONLY | O_APPEND);
  EXPECT_EQ(at.append(file, "one\n", log_text.size()), 0) << "the size before the upload";
  EXPECT_EQ(at.append(file, "two\n", 3), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.cat(log), mail_of_text + "one\r\ntwo\r\n");
}

TEST(Appending, InTwoHundredOpensKeepsEveryLine) {
  Appending at;
  const auto log = at.log();
  std::string expected = mail_of_text;
  for (int number = 0; number < 200; ++number) {
    const auto file = at.open_as(log, O_WRONLY | O_APPEND);
    ASSERT_EQ(at.append(file, "entry\n", number), 0);
    ASSERT_EQ(at.flush(file), 0);
    at.close(file);
    expected += "entry\r\n";
  }
  EXPECT_EQ(at.cat(log), expected);
}

TEST(Appending, ToAnOpenFileThatWasSyncedGoesOnWithTheOctetsAsWritten) {
  Appending at;
  const auto file = at.create("INBOX/log");
  EXPECT_EQ(at.append(file, log_text, 0), 0);
  EXPECT_EQ(at.fsync(file), 0);
  EXPECT_EQ(at.size_of(file.node), log_text.size()) << "as written while it is open";
  EXPECT_EQ(at.append(file, "one\n", log_text.size()), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.cat(at.find("INBOX/log")), mail_of_text + "one\r\n");
}

TEST(Appending, AfterAnotherFileHasTakenTheNameMeetsThatFile) {
  Appending at;
  const auto log = at.log();
  EXPECT_EQ(at.size_of(log), mail_of_text.size());
  const auto other = at.write_temporary("INBOX/.log.new", "Subject: other\n\n");
  EXPECT_EQ(at.mv("INBOX/.log.new", "INBOX/log"), 0);
  const auto file = at.open_as(other, O_WRONLY | O_APPEND);
  EXPECT_EQ(at.append(file, "one\n", 16), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.cat(at.find("INBOX/log")), "Subject: other\r\n\r\none\r\n");
}

TEST(SizeAfterAnUpload, IsTheServersWhenCloseReturnsAndTheKernelAsksForItAgain) {
  Appending at;
  const auto file = at.create("INBOX/log");
  EXPECT_EQ(at.write(file, log_text), 0);
  at.kernel.calls.clear();
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_EQ(at.kernel.calls.at(0), fmt::format("attributes {:#x}", file.node.value)) << "before the answer";
  EXPECT_EQ(at.size_of(file.node), mail_of_text.size()) << "RELEASE comes later";
  at.close(file);
  EXPECT_EQ(at.size_of(file.node), mail_of_text.size());
}

TEST(SizeAfterAnUpload, IsTheServersWhenRenameReturns) {
  Appending at;
  const auto file = at.write_temporary("INBOX/.log.new", log_text);
  EXPECT_EQ(at.mv("INBOX/.log.new", "INBOX/log"), 0);
  EXPECT_EQ(at.size_of(file), mail_of_text.size());
}

TEST(SizeAfterAnUpload, MakesTheNextOpenDropThePagesOnce) {
  Appending at;
  const auto file = at.create("INBOX/log");
  EXPECT_EQ(at.write(file, log_text), 0);
  EXPECT_EQ(at.flush(file), 0);
  const auto appender = at.open_result(file.node, O_RDWR | O_APPEND);
  EXPECT_FALSE(appender.keep_cache);
  EXPECT_TRUE(appender.size_corrected);
  const auto reader = at.open_result(file.node, O_RDONLY);
  EXPECT_TRUE(reader.keep_cache);
}

TEST(SizeAfterAnUpload, OfCrlfStaysAndNoPageIsDropped) {
  Appending at;
  const auto file = at.create("INBOX/log");
  EXPECT_EQ(at.write(file, mail_of_text), 0);
  EXPECT_EQ(at.flush(file), 0);
  EXPECT_TRUE(at.open_result(file.node, O_RDWR).keep_cache);
}

TEST(OpenWriter, GoesOnWhereItWasAfterAFlushInMidFile) {
  Appending at;
  const auto file = at.create("INBOX/log");
  EXPECT_EQ(at.write(file, log_text), 0);
  EXPECT_EQ(at.flush(file), 0) << "a copy of the descriptor was closed";
  EXPECT_EQ(at.write(file, "one\n", log_text.size()), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.cat(at.find("INBOX/log")), mail_of_text + "one\r\n");
}

TEST(OpenWriter, ThatCameLaterWritesIntoWhatTheServerHas) {
  Appending at;
  const auto first = at.create("INBOX/log");
  EXPECT_EQ(at.write(first, log_text + "one\ntwo\n"), 0);
  EXPECT_EQ(at.flush(first), 0);
  const auto second = at.open_as(first.node, O_RDWR);
  EXPECT_EQ(at.write(second, "TWO", mail_of_text.size() + 5), 0);
  EXPECT_EQ(at.flush(second), 0);
  at.close(second);
  at.close(first);
  EXPECT_EQ(at.cat(at.find("INBOX/log")), mail_of_text + "one\r\nTWO\r\n");
}

struct KilledWriter : Appending {
  int flush_killed(const OpenFile& file) {
    auto who = caller(1);
    who.killed = true;
    Answer<void> answer;
    filesystem.flush(who, file.node, file.handle, answer.reply());
    return answer.wait().error();
  }
};

TEST(KilledWriter, OfANewFileLeavesItToTheOutbox) {
  KilledWriter at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  at.flush_killed(file);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_FALSE(at.there("INBOX/new.eml"));
  EXPECT_EQ(at.outbox(), Files::Lines{"1-new.eml"});
  EXPECT_NE(at.journal->staged()->at(0).reason.find("killed"), std::string::npos);
}

TEST(KilledWriter, OfAMessageLeavesTheMessageAsItWas) {
  KilledWriter at;
  const auto file = at.open_as(at.node, O_WRONLY | O_TRUNC);
  EXPECT_EQ(at.set_size(at.node, 0), 0);
  EXPECT_EQ(at.write(file, mail), 0);
  at.flush_killed(file);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.cat(at.find("INBOX/" + at.name)), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(at.outbox().size(), 1u);
}

TEST(KilledWriter, InACallThatWaitsForTheMessageChangesNothing) {
  KilledWriter at;
  const auto file = at.open_as(at.node, O_WRONLY | O_APPEND);
  at.account.network().hold();
  Answer<std::size_t> written;
  at.filesystem.write({}, {file.node, file.handle, 0, "more\r\n", true}, written.reply());
  EXPECT_EQ(at.flush_killed(file), 0);
  at.filesystem.release(file.node, file.handle);
  at.account.network().answer_all();
  EXPECT_EQ(written.wait().error(), 0) << "nobody waits for it any more";
  at.drain();
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.cat(at.find("INBOX/" + at.name)), "From: anna\r\n\r\nHello\r\n");
  EXPECT_EQ(at.outbox().size(), 1u);
}

TEST(KilledWriter, OfAFileThatWasRenamedMeanwhileLeavesItToTheOutbox) {
  KilledWriter at;
  const auto file = at.create("INBOX/.new.eml.a1B2c3");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.mv("INBOX/.new.eml.a1B2c3", "INBOX/new.eml"), 0);
  at.flush_killed(file);
  at.close(file);
  EXPECT_EQ(at.uploads(), 0u);
  EXPECT_EQ(at.outbox(), Files::Lines{"1-new.eml"});
}

TEST(KilledWriter, WhoHasWrittenNothingLeavesTheWorkOfOthersAlone) {
  KilledWriter at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  const auto idle = at.open_as(file.node, O_WRONLY | O_APPEND);
  at.flush_killed(idle);
  at.filesystem.release(idle.node, idle.handle);
  EXPECT_EQ(at.write(file, "more\r\n", mail.size()), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_TRUE(at.outbox().empty());
  EXPECT_EQ(at.cat(at.find("INBOX/new.eml")), mail + "more\r\n");
}

TEST(KilledWriter, ThatHadClosedTheFileHasWrittenIt) {
  KilledWriter at;
  const auto file = at.create("INBOX/new.eml");
  EXPECT_EQ(at.write(file, mail), 0);
  EXPECT_EQ(at.flush(file), 0);
  at.flush_killed(file);
  at.close(file);
  EXPECT_EQ(at.uploads(), 1u);
  EXPECT_TRUE(at.outbox().empty());
}

}  // namespace
}  // namespace imapfs::vfs
