#include <fcntl.h>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {
namespace {

const std::string friday = "Subject: Lunch\r\n\r\nOn Friday?\r\n";

struct OneMessage : Situation {
  explicit OneMessage(Settings settings = default_settings()) : Situation(std::move(settings)) {
    auto meta = testing::fake_message(7);
    meta.size = friday.size();
    name = account.mailboxes().add("INBOX", meta);
    account.mailboxes().complete("INBOX");
    account.bodies().set_body("INBOX", 7, friday);
  }
  std::string name;
  NodeId node = message("INBOX", 7);
};

TEST(Read, AMessageIsItsExactOctets) {
  OneMessage at;
  const auto opened = at.open(at.node);
  ASSERT_EQ(opened.error(), 0);
  EXPECT_TRUE(opened.value().keep_cache);
  EXPECT_FALSE(opened.value().direct_io);
  EXPECT_EQ(at.bytes(at.read(at.node, opened.value().handle)), friday);
  EXPECT_EQ(at.bytes(at.read(at.node, opened.value().handle, 9, 5)), "Lunch");
}

TEST(Read, PastTheEndIsEmpty) {
  OneMessage at;
  const auto handle = at.open(at.node).value().handle;
  EXPECT_EQ(at.bytes(at.read(at.node, handle, friday.size())), "");
  EXPECT_EQ(at.bytes(at.read(at.node, handle, 0xffffffffffffffff)), "");
  EXPECT_EQ(at.bytes(at.read(at.node, handle, 0, 0)), "");
  EXPECT_EQ(at.bytes(at.read(at.node, handle, friday.size() - 2, 4096)), "\r\n");
}

TEST(Read, AnOpenWaitsForTheExactLength) {
  OneMessage at;
  at.account.bodies().set_body("INBOX", 7, friday + "longer than the server said\r\n");
  at.account.network().hold();
  const auto opened = at.open(at.node);
  EXPECT_FALSE(opened.came());
  at.account.network().answer_all();
  ASSERT_EQ(opened.error(), 0);
  EXPECT_TRUE(opened.value().size_corrected);
  EXPECT_EQ(at.getattr(at.node).value().attributes.size, friday.size() + 29);
}

TEST(Read, ARightSizeNeedsNoCorrection) {
  OneMessage at;
  EXPECT_FALSE(at.open(at.node).value().size_corrected);
}

TEST(Read, OneOpenServesEveryRead) {
  OneMessage at;
  const auto handle = at.open(at.node).value().handle;
  at.read(at.node, handle, 0, 4);
  at.read(at.node, handle, 4, 4);
  EXPECT_EQ(at.account.bodies().opened(), 1);
}

TEST(Read, AHandleOfAnEarlierProcessStillReads) {
  HandleId handle = 0;
  {
    OneMessage before;
    handle = before.open(before.node).value().handle;
  }
  OneMessage at;
  EXPECT_EQ(at.bytes(at.read(at.node, handle)), friday);
  EXPECT_EQ(at.bytes(at.read(at.node, handle, 9, 5)), "Lunch");
  EXPECT_EQ(at.account.bodies().opened(), 1) << "the body is kept for the next read";
  at.filesystem.release(at.node, handle);
}

TEST(Read, AHandleOfAnEarlierUidvalidityIsStale) {
  OneMessage at;
  const auto handle = at.open(at.node).value().handle;
  at.filesystem.release(at.node, handle);
  at.account.mailboxes().messages("INBOX").reset(UidValidity{78});
  at.account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(at.read(at.node, handle).error(), ESTALE);
}

TEST(Read, AnOpenFileOfAnEarlierUidvalidityKeepsItsBytes) {
  OneMessage at;
  const auto handle = at.open(at.node).value().handle;
  at.account.mailboxes().messages("INBOX").reset(UidValidity{78});
  at.account.mailboxes().add("INBOX", 7);
  at.account.bodies().set_body("INBOX", 7, "another message");
  const auto second = at.open(at.node).value().handle;
  EXPECT_EQ(at.bytes(at.read(at.node, handle)), friday);
  EXPECT_EQ(at.bytes(at.read(at.node, second)), "another message");
}

TEST(Read, AnOpenFileSurvivesExpungeAndHasNoLinks) {
  OneMessage at;
  const auto handle = at.open(at.node).value().handle;
  at.account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  at.account.bodies().remove_body("INBOX", 7);
  EXPECT_EQ(at.bytes(at.read(at.node, handle)), friday);
  const auto attributes = at.getattr(at.node).value().attributes;
  EXPECT_EQ(attributes.links, 0u);
  EXPECT_EQ(attributes.size, friday.size());
  at.filesystem.release(at.node, handle);
  EXPECT_EQ(at.getattr(at.node).error(), ENOENT);
  EXPECT_EQ(at.read(at.node, handle).error(), ESTALE);
}

TEST(Read, TheLastReleaseClosesTheBody) {
  OneMessage at;
  const auto first = at.open(at.node).value().handle;
  const auto second = at.open(at.node).value().handle;
  at.filesystem.release(at.node, first);
  at.read(at.node, second);
  EXPECT_EQ(at.account.bodies().opened(), 2);
  at.filesystem.release(at.node, second);
  at.read(at.node, second);
  EXPECT_EQ(at.account.bodies().opened(), 3) << "opened again on demand";
  at.filesystem.release(at.node, second);
  at.filesystem.release(at.node, second);
}

TEST(Read, AMessageThatIsGoneCannotBeOpened) {
  OneMessage at;
  at.account.bodies().remove_body("INBOX", 7);
  const auto opened = at.open(at.node);
  EXPECT_EQ(opened.error(), ENOENT);
  EXPECT_EQ(opened.cause(), "open the message: the server has no such message");
}

TEST(Read, DirectoriesCannotBeReadAsFiles) {
  OneMessage at;
  for (const auto node : {root_node, at.mailbox("INBOX"), fixed_node(FixedNode::control_directory)}) {
    EXPECT_EQ(at.open(node).error(), EISDIR);
    EXPECT_EQ(at.read(node, 0).error(), EISDIR);
  }
}

TEST(Read, OpeningForWritingIsRefusedWithTheReason) {
  OneMessage at;
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND}) {
    EXPECT_EQ(at.open(at.node, flags).error(), EROFS);
  }
  EXPECT_EQ(at.open(fixed_node(FixedNode::status), O_WRONLY).error(), EROFS);
  EXPECT_EQ(at.open(at.node, O_WRONLY).cause(), "the mount is read-only: open for writing");
  EXPECT_EQ(at.account.bodies().opened(), 0);
}

TEST(Read, ABodyOnDiskIsPushedOnceUntilTheKernelForgetsIt) {
  OneMessage at;
  const auto opened = at.open(at.node);
  ASSERT_TRUE(opened.value().whole);
  EXPECT_EQ(at.bytes(ReadResult(*opened.value().whole)), friday);
  EXPECT_FALSE(at.open(at.node).value().whole);
  at.filesystem.forget(at.node);
  EXPECT_TRUE(at.open(at.node).value().whole);
}

TEST(Read, LargeEmptyAndArrivingBodiesAreNotPushed) {
  Settings settings = Situation::default_settings();
  settings.push_limit = friday.size() - 1;
  OneMessage small_limit(settings);
  EXPECT_FALSE(small_limit.open(small_limit.node).value().whole);

  OneMessage at;
  at.account.bodies().set_body("INBOX", 7, "");
  EXPECT_FALSE(at.open(at.node).value().whole);
  at.account.bodies().set_body("INBOX", 7, friday, false);
  EXPECT_FALSE(at.open(at.node).value().whole);
}

TEST(Read, FlushOfAReaderSucceeds) {
  OneMessage at;
  Answer<void> answer;
  at.filesystem.flush({}, at.node, 0, answer.reply());
  EXPECT_EQ(answer.error(), 0);
}

TEST(Read, MessagesAreAlwaysReadable) {
  OneMessage at;
  Answer<unsigned> answer;
  at.filesystem.poll({}, at.node, 77, {}, answer.reply());
  EXPECT_NE(answer.value(), 0u);
  EXPECT_FALSE(at.filesystem.waits_for_events(at.node));
}

}  // namespace
}  // namespace imapfs::vfs
