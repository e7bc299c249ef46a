// What is done to a message while a new version of it is on its way to the server.
#include <thread>

#include "files_situation.hpp"

namespace imapfs::vfs {
namespace {

struct MessageOnItsWay : ::testing::Test, Files {
  MessageOnItsWay() {
    other = account.mailboxes().add("INBOX", 8);
    account.bodies().set_body("INBOX", 8, "From: bert\r\n\r\nAnother\r\n");
    file = open_as(node, O_WRONLY | O_APPEND);
    EXPECT_EQ(write(file, "more\r\n", old_text.size()), 0);
    account.changes().hold_changes();
    filesystem.flush(caller(1), file.node, file.handle, flushed.reply());
    while (account.changes().held_changes() == 0) std::this_thread::yield();
  }
  ~MessageOnItsWay() override { filesystem.release(file.node, file.handle); }

  void arrive() {
    account.changes().finish_changes();
    EXPECT_EQ(flushed.wait().error(), 0);
  }
  /// rename(2) that is answered later.
  void begin_mv(const std::string& from, const std::string& to, const Reply<void>& reply) {
    const auto [parent, old_name] = at(from);
    const auto [new_parent, new_name] = at(to);
    filesystem.rename({}, {parent, old_name, new_parent, new_name, 0}, reply);
  }

  const std::string old_text = "From: anna\r\n\r\nHello\r\n";
  const std::string new_text = old_text + "more\r\n";
  const std::string path = "INBOX/" + name;
  std::string other;
  OpenFile file;
  Answer<void> flushed;
  Answer<void> answer;
};

TEST_F(MessageOnItsWay, RemovedIsRemovedAsItWillBe) {
  filesystem.unlink({}, mailbox("INBOX"), name, answer.reply());
  EXPECT_FALSE(answer.came());
  arrive();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_FALSE(there(path));
  EXPECT_EQ(sent().back(), "remove INBOX/101");
}

TEST_F(MessageOnItsWay, MovedGoesAsItWillBe) {
  begin_mv(path, "Sent/a", answer.reply());
  EXPECT_FALSE(answer.came());
  arrive();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_EQ(sent().back(), "move INBOX/101 -> Sent/a");
  EXPECT_FALSE(there(path));
  EXPECT_EQ(cat(find("Sent/a")), new_text);
}

TEST_F(MessageOnItsWay, RenamedHasTheNewNameAsItWillBe) {
  begin_mv(path, "INBOX/a", answer.reply());
  EXPECT_FALSE(answer.came());
  arrive();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_FALSE(there(path));
  EXPECT_EQ(cat(find("INBOX/a")), new_text);
}

TEST_F(MessageOnItsWay, GetsItsFlagsAsItWillBe) {
  filesystem.setxattr({}, node, "user.imap.flags", "+\\Flagged", answer.reply());
  EXPECT_FALSE(answer.came());
  arrive();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_EQ(sent().back(), "flags INBOX/101 +\\Flagged");
}

TEST_F(MessageOnItsWay, ReplacedMakesWayAsItWillBe) {
  begin_mv("INBOX/" + other, path, answer.reply());
  EXPECT_FALSE(answer.came());
  arrive();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_EQ(cat(find(path)), "From: bert\r\n\r\nAnother\r\n");
  EXPECT_NE(sent().back().find("INBOX/101"), std::string::npos) << sent().back();
}

/// A message that is opened for writing while something else is done to it.
struct OpenedMeanwhile : ::testing::Test, Files {
  Answer<OpenResult> opened;
  Answer<void> answer;
};

TEST_F(OpenedMeanwhile, WaitsForTheFlagsThatItIsGiven) {
  account.changes().hold_changes();
  filesystem.setxattr({}, node, "user.imap.flags", "+\\Flagged", answer.reply());
  EXPECT_FALSE(answer.came());
  filesystem.open(caller(1), node, O_WRONLY | O_APPEND, opened.reply());
  settled();
  EXPECT_FALSE(opened.came());
  account.changes().finish_changes();
  EXPECT_EQ(answer.wait().error(), 0);
  EXPECT_EQ(opened.wait().error(), 0);
  filesystem.release(node, opened.value().handle);
}

TEST_F(MessageOnItsWay, IsLeftAloneByWhoWaitsNoMore) {
  auto waits = std::make_shared<bool>(true);
  Caller impatient;
  impatient.still_waits = [waits] { return *waits; };
  filesystem.unlink(impatient, mailbox("INBOX"), name, answer.reply());
  *waits = false;
  arrive();
  EXPECT_NE(answer.wait().error(), 0);
  EXPECT_EQ(cat(find(path)), new_text);
}

}  // namespace
}  // namespace imapfs::vfs
