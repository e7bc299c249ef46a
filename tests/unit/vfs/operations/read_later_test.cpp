// Messages whose body is fetched when somebody reads, not when somebody opens.
#include "unit/vfs/staging/writing_situation.hpp"

namespace imapfs::vfs {
namespace {

const std::string lunch = "Subject: Lunch\r\n\r\nOn Friday?\r\n";

struct ReadLater : ::testing::Test, Writing {
  ReadLater() {
    show_size(lunch.size());
    account.bodies().set_body("INBOX", 7, lunch);
    account.bodies().let_bodies_wait();
  }
  void show_size(std::uint64_t size) {
    auto meta = testing::fake_message(7);
    meta.size = size;
    name = account.mailboxes().add("INBOX", meta);
  }
  int fetched() { return account.bodies().opened(); }
  /// As the account does when it has seen a length that is not the size.
  void tell_size_corrected() {
    sync::ChangeListener::MailboxChange news;
    news.mailbox = account.id("INBOX");
    news.path = "INBOX";
    news.attributes_changed = {Uid{7}};
    publisher.on_mailbox_changed(news);
  }
  Lines told() { return std::exchange(kernel.calls, {}); }
  const Lines attributes_changed = {fmt::format("attributes {:#x}", message("INBOX", 7).value)};
  NodeId node = message("INBOX", 7);
};

TEST_F(ReadLater, AnOpenAloneFetchesNothing) {
  const auto opened = open(node);
  ASSERT_EQ(opened.error(), 0);
  EXPECT_TRUE(opened.value().keep_cache);
  EXPECT_TRUE(opened.value().no_flush);
  EXPECT_FALSE(opened.value().size_corrected);
  EXPECT_FALSE(opened.value().whole);
  filesystem.release(node, opened.value().handle);
  EXPECT_EQ(fetched(), 0);
}
TEST_F(ReadLater, TheFirstReadFetchesOnce) {
  const auto handle = open(node).value().handle;
  const auto first = read(node, handle);
  EXPECT_EQ(bytes(first), lunch);
  EXPECT_FALSE(first.value().size_corrected);
  EXPECT_EQ(bytes(read(node, handle, 9, 5)), "Lunch");
  EXPECT_EQ(fetched(), 1);
}
TEST_F(ReadLater, AnOpenNeedsNoAnswerOfTheServer) {
  account.network().hold();
  const auto opened = open(node);
  ASSERT_EQ(opened.error(), 0);
  const auto first = read(node, opened.value().handle);
  EXPECT_FALSE(first.came());
  account.network().answer_all();
  EXPECT_EQ(bytes(first), lunch);
}
TEST_F(ReadLater, ASizeThatWasTooSmallIsCorrectedBeforeTheReadIsAnswered) {
  show_size(4);
  const auto handle = open(node).value().handle;
  const auto first = read(node, handle);
  EXPECT_TRUE(first.value().size_corrected);
  EXPECT_EQ(bytes(first), lunch);
  EXPECT_FALSE(read(node, handle).value().size_corrected) << "once is enough";
  EXPECT_EQ(getattr(node).value().attributes.size, lunch.size());
}
TEST_F(ReadLater, ReadsThatBeganBeforeTheLengthWasKnownAllCorrectIt) {
  show_size(4);
  const auto handle = open(node).value().handle;
  account.network().hold();
  const auto first = read(node, handle);
  const auto second = read(node, handle, 4);
  account.network().answer_all();
  EXPECT_TRUE(first.value().size_corrected);
  EXPECT_TRUE(second.value().size_corrected);
}
TEST_F(ReadLater, ASizeThatWasTooLargeIsCorrectedByTheShortReadAndToldAfterTheLastRelease) {
  show_size(lunch.size() + 100);
  const auto handle = open(node).value().handle;
  told();
  tell_size_corrected();
  const auto first = read(node, handle);
  EXPECT_EQ(bytes(first), lunch);
  EXPECT_FALSE(first.value().size_corrected);
  EXPECT_EQ(told(), Lines()) << "an invalidation would keep the kernel from believing the short READ";
  filesystem.release(node, handle);
  EXPECT_EQ(told(), attributes_changed);
  tell_size_corrected();
  EXPECT_EQ(told(), attributes_changed) << "nothing is held back any more";
}
TEST_F(ReadLater, NewsOfARightOrSmallSizeIsToldWithTheFirstRead) {
  show_size(4);
  const auto handle = open(node).value().handle;
  told();
  tell_size_corrected();
  EXPECT_EQ(told(), Lines());
  read(node, handle);
  EXPECT_EQ(told(), attributes_changed);
  filesystem.release(node, handle);
  EXPECT_EQ(told(), Lines());
}
TEST_F(ReadLater, ABeginningIsReadBeforeTheLengthIsProved) {
  account.bodies().withhold_lengths(lunch.size());
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  EXPECT_EQ(bytes(read(node, handle, 9, 5)), "Lunch");
  EXPECT_EQ(fetched(), 1) << "the body is kept";
  const auto all = read(node, handle);
  EXPECT_FALSE(all.came());
  account.bodies().prove_lengths();
  EXPECT_EQ(bytes(all), lunch);
  EXPECT_FALSE(all.value().size_corrected);
}
TEST_F(ReadLater, AReadThatTouchesTheToldEndWaitsAndCorrectsASizeThatWasTooSmall) {
  show_size(14);
  account.bodies().withhold_lengths(14);
  const auto handle = open(node).value().handle;
  const auto early = read(node, handle, 0, 13);
  EXPECT_EQ(bytes(early), lunch.substr(0, 13));
  EXPECT_FALSE(early.value().size_corrected);
  const auto last = read(node, handle, 9, 5);
  EXPECT_FALSE(last.came()) << "behind the last octet that the kernel knows it would see the end of the file";
  account.bodies().prove_lengths();
  EXPECT_EQ(bytes(last), "Lunch");
  EXPECT_TRUE(last.value().size_corrected);
  EXPECT_EQ(getattr(node).value().attributes.size, lunch.size());
  EXPECT_FALSE(read(node, handle).value().size_corrected);
}
TEST_F(ReadLater, ASizeThatIsProvedTooSmallBetweenTwoReadsIsCorrectedByTheSecond) {
  show_size(14);
  account.bodies().withhold_lengths(14);
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  account.bodies().prove_lengths();
  const auto last = read(node, handle, 9, 5);
  EXPECT_EQ(bytes(last), "Lunch");
  EXPECT_TRUE(last.value().size_corrected);
}
TEST_F(ReadLater, ASizeThatIsProvedTooLargeIsToldAfterAnEarlyReaderHasClosed) {
  show_size(lunch.size() + 100);
  account.bodies().withhold_lengths(lunch.size() + 100);
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  told();
  account.bodies().prove_lengths();
  tell_size_corrected();
  EXPECT_EQ(bytes(read(node, handle)), lunch);
  EXPECT_EQ(told(), Lines()) << "an invalidation would keep the kernel from believing the short READ";
  filesystem.release(node, handle);
  EXPECT_EQ(told(), attributes_changed);
}
TEST_F(ReadLater, ASecondReaderHearsOfASizeThatWasProvedTooSmallForTheFirst) {
  show_size(14);
  account.bodies().withhold_lengths(14);
  const auto first = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, first, 0, 8)), "Subject:");
  account.bodies().prove_lengths();
  const auto second = open(node).value().handle;
  EXPECT_TRUE(read(node, second, 0, 14).value().size_corrected);
}
TEST_F(ReadLater, WhoOpensAfterAnEarlyReaderHearsOfTheProvedSize) {
  show_size(14);
  account.bodies().withhold_lengths(14);
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  account.bodies().prove_lengths();
  filesystem.release(node, handle);
  EXPECT_TRUE(open(node).value().size_corrected) << "the news may not have reached the kernel yet";
}
TEST_F(ReadLater, WhoOpensWithTheBodyAtHandCorrectsTheSizeThatAnEarlyReaderWasTold) {
  show_size(14);
  account.bodies().withhold_lengths(14);
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  account.bodies().prove_lengths();
  account.bodies().let_bodies_wait(false);
  EXPECT_TRUE(open(node).value().size_corrected);
}
TEST_F(ReadLater, AnOpenMessageOfWhichOnlyTheBeginningWasReadIsFetchedBeforeItIsRemoved) {
  account.bodies().withhold_lengths(lunch.size());
  const auto handle = open(node).value().handle;
  EXPECT_EQ(bytes(read(node, handle, 0, 8)), "Subject:");
  Answer<void> removed;
  filesystem.unlink({}, mailbox_node(account.id("INBOX")), name, removed.reply());
  EXPECT_FALSE(removed.came());
  account.bodies().prove_lengths();
  EXPECT_EQ(removed.wait().error(), 0);
  EXPECT_EQ(bytes(read(node, handle)), lunch);
  filesystem.release(node, handle);
}

TEST_F(ReadLater, AnOpenFileThatIsGoneOnTheServerIsStale) {
  const auto handle = open(node).value().handle;
  account.bodies().remove_body("INBOX", 7);
  EXPECT_EQ(read(node, handle).error(), ESTALE);
  filesystem.release(node, handle);
}
TEST_F(ReadLater, AMessageThatIsKnownToBeGoneCannotBeOpened) {
  account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  account.bodies().remove_body("INBOX", 7);
  EXPECT_EQ(open(node).error(), ENOENT);
}
TEST_F(ReadLater, AnotherUidvalidityIsStale) {
  const auto handle = open(node).value().handle;
  account.mailboxes().messages("INBOX").reset(UidValidity{78});
  account.mailboxes().add("INBOX", 7);
  EXPECT_EQ(read(node, handle).error(), ESTALE);
  EXPECT_EQ(fetched(), 0);
}
TEST_F(ReadLater, AnOpenMessageIsFetchedBeforeItIsRemoved) {
  const auto handle = open(node).value().handle;
  EXPECT_EQ(rm("INBOX/" + name), 0);
  EXPECT_EQ(fetched(), 1);
  account.bodies().remove_body("INBOX", 7);
  account.mailboxes().messages("INBOX").remove(UidSet::single(Uid{7}));
  EXPECT_EQ(bytes(read(node, handle)), lunch);
  filesystem.release(node, handle);
}
TEST_F(ReadLater, AnOpenMessageThatMovesIsReadWhereItIs) {
  const auto handle = open(node).value().handle;
  EXPECT_EQ(mv("INBOX/" + name, "Sent/a"), 0);
  EXPECT_EQ(fetched(), 0);
  account.bodies().remove_body("INBOX", 7);
  EXPECT_EQ(bytes(read(node, handle)), lunch);
  filesystem.release(node, handle);
}

}  // namespace
}  // namespace imapfs::vfs
