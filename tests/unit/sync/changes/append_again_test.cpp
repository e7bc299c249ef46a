// An upload whose answer was lost, and what is uploaded of the same file after that.

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "changes_test_support.hpp"

namespace imapfs::sync {
namespace {

const std::string first = "Subject: one\nMessage-ID: <upload@example.org>\n\nHello.\n";
const std::string corrected = "Subject: two\nMessage-ID: <upload@example.org>\n\nHello, with more to say.\n";
/// Of the same length as `first`.
const std::string respelled_upload = "Subject: two\nMessage-ID: <upload@example.org>\n\nHallo!\n";

class UploadAgain : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (!GetParam()) f.server.set_capability("UIDPLUS", false);
    f.mount();
    f.list("Archive");
  }
  static Error busy() { return Error{EAGAIN, Scope::mailbox, Retry::later, "SELECT: busy"}; }
  /// Whether the upload says that it has succeeded, although the server answers neither APPEND nor the look at what
  /// became of it.
  bool upload_unanswered(const Upload& upload, bool carried_out = true) {
    carried_out ? f.server.lose_after("APPEND") : f.server.lose_before("APPEND");
    f.lies->append = [this](imap::Session& honest, const imap::AppendRequest& request, imap::AppendSource& source,
                            const CallContext& context) {
      f.server.refuse_command("SELECT", busy());
      return honest.append(request, source, context);
    };
    const bool succeeded = f.upload(upload).has_value();
    f.lies->append = nullptr;
    f.server.accept_command("SELECT");
    return succeeded;
  }
  /// The same, when the APPEND was before.
  bool upload_without_look(const Upload& upload) {
    f.server.refuse_command("SELECT", busy());
    const bool succeeded = f.upload(upload).has_value();
    f.server.accept_command("SELECT");
    return succeeded;
  }
  Upload with_content(Upload upload, const std::string& content) {
    std::ofstream(f.journal->staging_path(upload.staged), std::ios::trunc) << content;
    upload.canonical_size = content.size() + static_cast<std::size_t>(std::ranges::count(content, '\n'));
    if (content.find("Message-ID") == std::string::npos) upload.message_id.clear();
    return upload;
  }
  ChangesFixture f;
};

INSTANTIATE_TEST_SUITE_P(WithAndWithoutUidplus, UploadAgain, ::testing::Bool(),
                         [](const auto& uidplus) { return uidplus.param ? "Uidplus" : "Bare"; });

TEST_P(UploadAgain, OfWhatWasChangedReplacesWhatHadArrived) {
  for (const auto& later : {corrected, respelled_upload}) {
    auto upload = f.stage("Archive", first, "name.eml");
    upload.internal_date = 1'600'000'000;
    ASSERT_FALSE(upload_unanswered(upload));
    const auto arrival = f.upload(with_content(upload, later));
    ASSERT_TRUE(arrival) << arrival.error().what;
    ASSERT_TRUE(f.drain());
    EXPECT_EQ(f.messages("Archive"), (Subjects{"one!", "two"}));
    EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
    EXPECT_EQ(f.server.mailbox("Archive").messages.at(arrival->message.uid).body->find("one"), std::string::npos);
    EXPECT_TRUE(f.journal->staged()->empty());
    EXPECT_TRUE(f.journal->changes()->empty());
    for (const auto uid : f.server.uids("Archive")) f.server.expunge("Archive", uid);
    f.list("Archive");
  }
}

TEST_P(UploadAgain, OfWhatHasNoMessageIdIsToldApartByItsOctets) {
  const std::string plain = "Subject: one\n\nHello.\n";
  const auto upload = with_content(f.stage("Archive", plain, "name.eml"), plain);
  ASSERT_FALSE(upload_unanswered(upload));
  ASSERT_TRUE(f.upload(with_content(upload, "Subject: two\n\nHallo!\n")));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one!", "two"}));
}

TEST_P(UploadAgain, OfWhatIsUnchangedIsNotSentAgain) {
  const auto upload = f.stage("Archive", first, "name.eml");
  ASSERT_FALSE(upload_unanswered(upload));
  ASSERT_TRUE(f.upload(upload));
  EXPECT_EQ(f.messages("Archive"), Subjects{"one"});
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
  EXPECT_EQ(f.server.count("APPEND"), 1u);
  EXPECT_TRUE(f.journal->staged()->empty());
}

TEST_P(UploadAgain, AfterOneThatHasNotArrivedIsTheOnlyOne) {
  const auto upload = f.stage("Archive", first);
  ASSERT_FALSE(upload_unanswered(upload, false));
  ASSERT_TRUE(f.upload(with_content(upload, corrected)));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), Subjects{"two"});
  EXPECT_TRUE(f.journal->changes()->empty());
}

TEST_P(UploadAgain, ThatIsRefusedLeavesWhatHadArrivedAndTheFile) {
  const auto upload = f.stage("Archive", first, "name.eml");
  ASSERT_FALSE(upload_unanswered(upload));
  f.server.fail_next("APPEND", Error{EDQUOT, Scope::request, Retry::never, "APPEND: over quota"});
  EXPECT_FALSE(f.upload(with_content(upload, corrected)));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), Subjects{"one"});
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
  EXPECT_EQ(f.journal->staged()->size(), 1u);
  EXPECT_TRUE(f.journal->changes()->empty());
}

TEST_P(UploadAgain, OfANewVersionReplacesTheOneBeforeAndTheOneBeforeThat) {
  ASSERT_TRUE(f.upload(f.stage("Archive", "Subject: zero\n\n", "name.eml")));
  auto upload = f.stage("Archive", first, "name.eml");
  upload.target.replaces = f.at("Archive", 1);
  ASSERT_FALSE(upload_unanswered(upload));
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one", "zero"}));
  ASSERT_TRUE(f.upload(with_content(upload, corrected)));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one!", "two", "zero!"}));
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
}

TEST_P(UploadAgain, InAnotherMailboxRemovesWhatHadArrivedInTheFirst) {
  f.list("INBOX");
  auto upload = f.stage("Archive", first, "name.eml");
  ASSERT_FALSE(upload_unanswered(upload));
  upload.target = f.target("INBOX", "name.eml");
  ASSERT_TRUE(f.upload(upload));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("INBOX"), Subjects{"one"});
  EXPECT_EQ(f.messages("Archive"), Subjects{"one!"});
  EXPECT_TRUE(f.listed("Archive").empty());
}

TEST_P(UploadAgain, InThePlaceOfAnotherMessageLeavesTheOneThatItWasANewVersionOf) {
  ASSERT_TRUE(f.upload(f.stage("Archive", "Subject: zero\n\n", "zero.eml")));
  ASSERT_TRUE(f.upload(f.stage("Archive", "Subject: other\n\n", "other.eml")));
  auto upload = f.stage("Archive", first, "zero.eml");
  upload.target.replaces = f.at("Archive", 1);
  ASSERT_FALSE(upload_unanswered(upload));
  upload.target = f.target("Archive", "other.eml");
  upload.target.replaces = f.at("Archive", 2);
  ASSERT_TRUE(f.upload(with_content(upload, corrected)));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one!", "other!", "two", "zero"}));
  EXPECT_EQ(f.listed("Archive"), (std::set<std::string>{"other.eml", "zero.eml"}));
}

TEST_P(UploadAgain, AfterALookThatFailedLooksAgain) {
  const auto upload = f.stage("Archive", first);
  ASSERT_FALSE(upload_unanswered(upload));
  ASSERT_FALSE(upload_without_look(with_content(upload, corrected)));
  EXPECT_EQ(f.messages("Archive"), Subjects{"one"});
  ASSERT_TRUE(f.upload(with_content(upload, corrected)));
  ASSERT_TRUE(f.drain());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one!", "two"}));
}

TEST_P(UploadAgain, ANextProcessFindsWhatWasSentAndKeepsWhatWasNot) {
  f.server.hold("APPEND answer");
  const auto upload = f.stage("Archive", first, "name.eml");
  f.account->changes().upload(upload, [](const Result<Arrival>&) {});
  ASSERT_TRUE(f.server.wait_until_held("APPEND answer"));
  EXPECT_EQ(f.journal->changes()->front().digest.size(), 64u);
  f.unmount();
  f.server.release("APPEND answer");
  f.journal = store::Journal::open(f.state.path(), f.settings.account).value();
  (void)with_content(upload, respelled_upload);
  f.mount();
  ASSERT_TRUE(f.wait_until_done());
  f.list("Archive");
  EXPECT_EQ(f.messages("Archive"), Subjects{"one"});
  EXPECT_EQ(f.listed("Archive"), std::set<std::string>{"name.eml"});
  const auto staged = f.journal->staged();
  ASSERT_EQ(staged->size(), 1u);
  EXPECT_EQ(staged->front().state, store::StagedFile::State::refused);
  EXPECT_NE(staged->front().reason.find("has not been sent"), std::string::npos);
}

TEST_P(UploadAgain, AnotherClientsVersionIsNotTakenForWhatWasSent) {
  auto upload = f.stage("Archive", first, "name.eml");
  upload.internal_date = 1'700'000'000;
  ASSERT_FALSE(upload_unanswered(upload, false));
  // The same Message-ID, date and length.
  auto other = std::string("Subject: two\r\nMessage-ID: <upload@example.org>\r\n\r\nHallo!\r\n");
  f.server.deliver("Archive", other, 1'700'000'000);
  ASSERT_TRUE(f.upload(upload));
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one", "two"}));
}

TEST_P(UploadAgain, ALineEndThatTheServerHasAddedIsNoOtherContent) {
  const std::string open_end = "Subject: one\n\nHello.";
  const auto upload = with_content(f.stage("Archive", open_end), open_end);
  ASSERT_FALSE(upload_unanswered(upload, false));
  f.server.deliver("Archive", "Subject: one\r\n\r\nHello.\r\n");
  ASSERT_TRUE(f.upload(upload));
  EXPECT_EQ(f.messages("Archive"), Subjects{"one"});
}

TEST_P(UploadAgain, OfTwoFilesThatAreAlikeBothAreThere) {
  const auto one = f.stage("Archive", first, "a.eml");
  const auto other = f.stage("Archive", first, "b.eml");
  // Of the first nothing has come: it must not take what comes of the second for its own.
  f.server.lose_before("APPEND");
  std::promise<Result<Arrival>> ended;
  f.account->changes().upload(one, [&](const Result<Arrival>& arrival) { ended.set_value(arrival); });
  ASSERT_TRUE(f.upload(other));
  ASSERT_TRUE(ended.get_future().get());
  EXPECT_EQ(f.messages("Archive"), (Subjects{"one", "one"}));
  EXPECT_EQ(f.listed("Archive"), (std::set<std::string>{"a.eml", "b.eml"}));
}

TEST_P(UploadAgain, OfOneThatHasATwinOnTheServerByNowBothAreThere) {
  for (const bool carried_out : {true, false}) {
    const auto one = f.stage("Archive", first, "a.eml");
    ASSERT_FALSE(upload_unanswered(one, carried_out));
    ASSERT_TRUE(f.upload(f.stage("Archive", first, "b.eml")));
    ASSERT_TRUE(f.upload(one));
    ASSERT_TRUE(f.drain());
    EXPECT_EQ(f.messages("Archive"), (Subjects{"one", "one"})) << carried_out;
    for (const auto uid : f.server.uids("Archive")) f.server.expunge("Archive", uid);
    f.list("Archive");
  }
}

}  // namespace
}  // namespace imapfs::sync
