#include "imapfs/sync/outbox.hpp"

#include <gtest/gtest.h>

#include "support/temporary_directory.hpp"

namespace imapfs::sync {
namespace {

struct OutboxTest : ::testing::Test {
  Outbox::Row staged(const std::string& name) {
    Outbox::Row row;
    row.mailbox = "INBOX";
    row.name = name;
    EXPECT_TRUE(outbox.stage(row));
    return row;
  }
  static Outbox::Refused refused(const Outbox::Row& row, std::uint32_t mailbox) {
    return {row.id, Outbox::name_of(row), MailboxId{mailbox}, 5, 1000, 0, "too large"};
  }

  testing::TemporaryDirectory directory;
  std::shared_ptr<store::Journal> journal = *store::Journal::open(directory.path(), "anna@mail.example.org");
  Outbox outbox{journal};
};

TEST_F(OutboxTest, ARowIsWhatTheJournalHas) {
  auto row = staged("new.eml");
  ASSERT_TRUE(outbox.set_state(row, Outbox::State::refused, "too large"));
  EXPECT_EQ(row.state, Outbox::State::refused);
  const auto rows = outbox.rows();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(rows->front().state, Outbox::State::refused);
  EXPECT_EQ(rows->front().reason, "too large");
}

TEST_F(OutboxTest, AChangeThatTheJournalDoesNotTakeIsNotMade) {
  auto row = staged("new.eml");
  ASSERT_TRUE(journal->unstage(row.id));
  EXPECT_FALSE(outbox.set_state(row, Outbox::State::queued));
  EXPECT_EQ(row.state, Outbox::State::open);
}

TEST_F(OutboxTest, WhatIsDiscardedIsNotListedAnyMore) {
  auto row = staged("new.eml");
  outbox.list(refused(row, 1));
  const auto id = row.id;
  ASSERT_TRUE(outbox.discard(row));
  EXPECT_EQ(row.id.value, 0u);
  EXPECT_FALSE(outbox.lists(id));
  EXPECT_TRUE(outbox.rows()->empty());
  EXPECT_TRUE(outbox.discard(row)) << "of a row that is discarded nothing is left to do";
}

TEST_F(OutboxTest, NamesWhatWasToGoToAMailbox) {
  const auto first = staged("a.eml");
  const auto second = staged("b.eml");
  outbox.list(refused(first, 1));
  outbox.list(refused(second, 2));
  const auto one = outbox.check(MailboxId{1});
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().errnum, EIO);
  EXPECT_NE(one.error().what.find(Outbox::name_of(first)), std::string::npos);
  EXPECT_EQ(one.error().what.find(Outbox::name_of(second)), std::string::npos);
  EXPECT_TRUE(outbox.check(MailboxId{3}));
  EXPECT_FALSE(outbox.check(MailboxId{0}));
}

TEST_F(OutboxTest, PausesGrowToFiveMinutes) {
  EXPECT_EQ(Outbox::pause_after(1), std::chrono::seconds(2));
  EXPECT_EQ(Outbox::pause_after(4), std::chrono::seconds(16));
  EXPECT_EQ(Outbox::pause_after(1000), std::chrono::minutes(5));
}

TEST_F(OutboxTest, OnlyWhatIsTheMessagesFaultIsForGood) {
  EXPECT_FALSE(Outbox::is_tried_again_after({EINVAL, Scope::message, Retry::never, "no mail"}));
  EXPECT_TRUE(Outbox::is_tried_again_after({EIO, Scope::session, Retry::never, "the connection is gone"}));
  EXPECT_TRUE(Outbox::is_tried_again_after({EAGAIN, Scope::mailbox, Retry::later, "busy"}));
}

}  // namespace
}  // namespace imapfs::sync
