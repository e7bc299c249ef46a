// Uploads of staged files.

#include <gtest/gtest.h>

#include <future>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

const std::string content = "From: anna@example.org\nSubject: up\nMessage-ID: <upload@example.org>\n\nHello.\n";

class Uploads : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) f.server.set_capability("UIDPLUS", false);
    f.mount();
    f.list("Archive");
  }
  ChangesFixture f;
};

std::string uidplus_name(const ::testing::TestParamInfo<bool>& uidplus) { return uidplus.param ? "Uidplus" : "Bare"; }
INSTANTIATE_TEST_SUITE_P(WithAndWithoutUidplus, Uploads, ::testing::Bool(), uidplus_name);

TEST_P(Uploads, AMessageIsAppendedWithCrlfAndShowsUnderItsName) {
  auto upload = f.stage("Archive", content, "given.eml");
  upload.flags = FlagSet::parse("\\Seen");
  upload.internal_date = 1'600'000'000;
  const auto arrival = f.upload(upload);
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->message, f.at("Archive", 1));
  const auto message = f.server.mailbox("Archive").messages.at(Uid{1});
  EXPECT_TRUE(message.body->starts_with("From: anna@example.org\r\nSubject: up\r\n"));
  EXPECT_EQ(message.body->size(), upload.canonical_size);
  EXPECT_EQ(message.internal_date, 1'600'000'000);
  EXPECT_TRUE(message.flags.has(SystemFlag::seen));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"given.eml"});
  EXPECT_TRUE(f.journal->staged()->empty());
  EXPECT_TRUE(f.journal->changes()->empty());
}

TEST(UploadToAnUnlistedMailbox, ItsNameIsKnownAtOnceAndAfterARename) {
  ChangesFixture f;
  f.mount();
  const auto arrival = f.upload(f.stage("Archive", content, "plan.eml"));
  ASSERT_TRUE(arrival);
  const auto mailbox = f.id("Archive");
  EXPECT_EQ(f.table("Archive")->uid_validity(), arrival->message.uid_validity);
  ASSERT_TRUE(await<void>([&](Completion<void> done) {
    f.account->mailbox_changes().rename(mailbox, MailboxId{0}, "Plans", std::move(done));
  }));
  const auto found = await<MessageMeta>(
      [&](Completion<MessageMeta> done) { f.account->mailboxes().find_message(mailbox, "plan.eml", std::move(done)); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, arrival->message.uid);
}

TEST_P(Uploads, ARefusalIsToldAndTheFileStays) {
  f.server.fail_next("APPEND", Error{EDQUOT, Scope::request, Retry::never, "APPEND: over quota"});
  const auto arrival = f.upload(f.stage("Archive", content));
  ASSERT_FALSE(arrival);
  EXPECT_EQ(arrival.error().errnum, EDQUOT);
  EXPECT_EQ(f.journal->staged()->size(), 1u);
  EXPECT_TRUE(f.journal->changes()->empty());
  EXPECT_TRUE(f.listener.refused().empty());
}

TEST_P(Uploads, AConnectionLostAfterTheEffectDoesNotAppendTwice) {
  f.server.lose_after("APPEND");
  const auto arrival = f.upload(f.stage("Archive", content, "once.eml"));
  ASSERT_TRUE(arrival);
  EXPECT_EQ(f.messages("Archive"), Subjects{"up"});
  EXPECT_EQ(f.server.count("APPEND"), 1u);
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"once.eml"});
}

TEST_P(Uploads, AConnectionLostBeforeTheEffectAppendsAgain) {
  f.server.lose_before("APPEND");
  ASSERT_TRUE(f.upload(f.stage("Archive", content)));
  EXPECT_EQ(f.messages("Archive"), Subjects{"up"});
  EXPECT_EQ(f.server.count("APPEND"), 2u);
}

TEST_P(Uploads, WhatIsReplacedGoesAfterTheNewHasCome) {
  ASSERT_TRUE(f.upload(f.stage("Archive", content, "same.eml")));
  auto upload = f.stage("Archive", content + "More.\n", "same.eml");
  upload.target.replaces = f.at("Archive", 1);
  f.server.fail_next("APPEND", Error{EDQUOT, Scope::request, Retry::never, "APPEND: over quota"});
  EXPECT_FALSE(f.upload(upload));
  EXPECT_EQ(f.messages("Archive"), Subjects{"up"});
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"same.eml"});
  ASSERT_TRUE(f.upload(upload));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"up", "up!"}));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"same.eml"});
}

TEST_P(Uploads, WhatIsReplacedIsListedUntilTheNewHasCome) {
  ASSERT_TRUE(f.upload(f.stage("Archive", content, "same.eml")));
  f.list("Archive");
  auto upload = f.stage("Archive", content + "More.\n", "same.eml");
  upload.target.replaces = f.at("Archive", 1);
  f.server.hold("APPEND answer");
  std::promise<Result<Arrival>> arrived;
  f.account->changes().upload(upload, [&](Result<Arrival> arrival) { arrived.set_value(std::move(arrival)); });
  ASSERT_TRUE(f.server.wait_until_held("APPEND answer"));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"same.eml"});
  f.server.release("APPEND answer");
  ASSERT_TRUE(arrived.get_future().get());
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"same.eml"});
  EXPECT_EQ(f.table("Archive")->find_by_name("same.eml")->uid, Uid{2});
  ASSERT_TRUE(f.drain());
}

TEST_P(Uploads, WhatHadArrivedBeforeARestartIsNotUploadedAgain) {
  f.server.hold("APPEND answer");
  const auto upload = f.stage("Archive", content, "late.eml");
  f.account->changes().upload(upload, [](const Result<Arrival>&) {});
  ASSERT_TRUE(f.server.wait_until_held("APPEND answer"));
  f.unmount();
  f.server.release("APPEND answer");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  f.list("Archive");
  EXPECT_EQ(f.messages("Archive"), Subjects{"up"});
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"late.eml"});
  EXPECT_TRUE(f.journal->staged()->empty());
}

TEST_P(Uploads, WhatHadNotArrivedBeforeARestartIsLeftToItsUser) {
  f.server.hold("APPEND");
  const auto upload = f.stage("Archive", content);
  f.account->changes().upload(upload, [](const Result<Arrival>&) {});
  ASSERT_TRUE(f.server.wait_until_held("APPEND"));
  f.unmount();
  f.server.release("APPEND");
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  EXPECT_TRUE(f.messages("Archive").empty());
  const auto staged = f.journal->staged();
  ASSERT_EQ(staged->size(), 1u);
  EXPECT_EQ(staged->front().state, store::StagedFile::State::refused);
  EXPECT_EQ(staged->front().reason, "interrupted");
}

}  // namespace
}  // namespace imapfs::sync
