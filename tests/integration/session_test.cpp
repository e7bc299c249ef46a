// imap::Session against a real Dovecot: each command once, and what other clients do meanwhile.
#include "imapfs/imap/session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "imapfs/mime/header_decode.hpp"
#include "support/dovecot.hpp"

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;
using testing::Dovecot;
using testing::sample_message;

class Recorder : public UntaggedListener {
 public:
  void on_exists(std::uint32_t messages) override { exists = messages; }
  void on_expunge() override { ++expunges; }
  void on_vanished(const UidSet& uids) override {
    for (const auto& range : uids.ranges()) vanished.add(Uid{range.first}, Uid{range.last});
  }
  void on_fetch(const FetchRow& row) override {
    if (row.flags) flags = *row.flags;
  }
  void on_status(const WireName& mailbox, const MailboxStatus&) override { statuses.push_back(mailbox); }
  void on_mailbox_list_changed() override { ++list_changes; }

  std::uint32_t exists = 0;
  int expunges = 0;
  int list_changes = 0;
  UidSet vanished;
  FlagSet flags;
  std::vector<WireName> statuses;
};

class StringSink : public BodySink {
 public:
  Result<void> begin(std::uint64_t announced) override {
    length = announced;
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    text.append(bytes.data(), bytes.size());
    return {};
  }
  std::uint64_t length = 0;
  std::string text;
};

class SessionOnDovecot : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    mime::initialise_mime();
    server_ = new Dovecot({"--quota=50M", "--public"});
  }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    // A mailbox of its own for each test.
    mailbox_ = std::string(::testing::UnitTest::GetInstance()->current_test_info()->name());
    server_->doveadm("mailbox create -u anna -s " + mailbox_);
    auto opened = open_session(server_->account_settings(), within());
    ASSERT_TRUE(opened) << opened.error().what;
    session_ = std::move(*opened);
    session_->set_listener(&recorder_);
  }
  static CallContext within() { return CallContext::within(20s); }
  SelectedMailbox select(std::optional<QresyncState> state = {}) {
    Session::SelectRequest request;
    request.mailbox = mailbox_;
    request.qresync = std::move(state);
    request.rows = [this](const FetchRow& row) { qresync_rows_.push_back(row.uid); };
    request.vanished = [this](const UidSet& uids) { qresync_vanished_ = uids; };
    auto selected = session_->select(request, within());
    EXPECT_TRUE(selected) << selected.error().what;
    return selected ? *selected : SelectedMailbox{};
  }
  void deliver(const std::string& subject) { server_->deliver(mailbox_, sample_message(subject)); }

  static Dovecot* server_;
  std::string mailbox_;
  std::unique_ptr<Session> session_;
  Recorder recorder_;
  std::vector<Uid> qresync_rows_;
  UidSet qresync_vanished_;
};
Dovecot* SessionOnDovecot::server_ = nullptr;

TEST_F(SessionOnDovecot, KnowsItsServer) {
  EXPECT_TRUE(session_->traits().has("QRESYNC"));
  EXPECT_TRUE(session_->traits().has("IDLE"));
  EXPECT_EQ(session_->traits().id.at("name"), "Dovecot");
  EXPECT_NE(session_->description().find("TLSv1.3"), std::string::npos) << session_->description();
}

TEST_F(SessionOnDovecot, ListsMailboxesWithTheirStatusInOneCommand) {
  deliver("one");
  const auto listed = session_->list("", within()).value();
  const auto found = std::find_if(listed.begin(), listed.end(), [&](const auto& row) { return row.name == mailbox_; });
  ASSERT_NE(found, listed.end());
  EXPECT_EQ(found->status.messages, 1u);
  EXPECT_EQ(found->status.uid_next, Uid{2});
  EXPECT_TRUE(found->status.uid_validity.has_value());
  EXPECT_EQ(found->delimiter, '/');
  const auto trash = std::find_if(listed.begin(), listed.end(), [](const auto& row) { return row.name == "Trash"; });
  ASSERT_NE(trash, listed.end());
  EXPECT_EQ(trash->special_use, SpecialUse::trash);
}

TEST_F(SessionOnDovecot, TellsNamespaces) {
  const auto namespaces = session_->namespaces(within()).value();
  ASSERT_EQ(namespaces.size(), 2u);
  EXPECT_EQ(namespaces[0].kind, Namespace::Kind::personal);
  EXPECT_EQ(namespaces[1].prefix, "Public/");
}

TEST_F(SessionOnDovecot, SelectsForReadingOnlyAndReportsItsState) {
  deliver("one");
  const auto selected = select();
  EXPECT_EQ(selected.messages, 1u);
  EXPECT_TRUE(selected.read_only);
  EXPECT_TRUE(selected.highest_modseq.has_value());
  EXPECT_EQ(session_->selected(), mailbox_);
}

TEST_F(SessionOnDovecot, ASelectThatFailsIsENOENTAndTheSessionGoesOn) {
  Session::SelectRequest request;
  request.mailbox = "No/Such/Mailbox";
  const auto failed = session_->select(request, within());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().errnum, ENOENT);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(SessionOnDovecot, FetchesHeaderRowsWithoutMarkingAnything) {
  deliver("first subject");
  deliver("second subject");
  select();
  std::vector<std::string> headers;
  Session::FetchRequest request;
  request.uids = UidSet::range(Uid{1}, Uid{4294967295});
  request.items = {true, true, true, true, {"DATE", "FROM", "SUBJECT", "MESSAGE-ID"}};
  const auto fetched = session_->fetch(
      request,
      [&](const FetchRow& row) {
        headers.emplace_back(row.header_block);
        EXPECT_TRUE(row.flags && row.size && row.internal_date && row.modseq);
        EXPECT_FALSE(row.flags->has(SystemFlag::seen));
      },
      within());
  ASSERT_TRUE(fetched) << fetched.error().what;
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(mime::find_field(headers[1], "subject"), " second subject");
}

TEST_F(SessionOnDovecot, FetchesABodyExactly) {
  const std::string message = sample_message("body", "a@example.org", std::string(300000, 'z') + "\r\nend");
  server_->deliver(mailbox_, message);
  select();
  StringSink sink;
  const auto fetched = session_->fetch_body(Uid{1}, {}, sink, within());
  ASSERT_TRUE(fetched) << fetched.error().what;
  EXPECT_EQ(sink.length, message.size());
  EXPECT_EQ(sink.text, message);
}

TEST_F(SessionOnDovecot, FetchesARange) {
  const std::string message = sample_message("range");
  server_->deliver(mailbox_, message);
  select();
  StringSink sink;
  ASSERT_TRUE(session_->fetch_body(Uid{1}, OctetRange{5, 10}, sink, within()));
  EXPECT_EQ(sink.text, message.substr(5, 10));
}

TEST_F(SessionOnDovecot, FetchesHeadAndTailInOneCommand) {
  const std::string message = sample_message("head and tail");
  server_->deliver(mailbox_, message);
  select();
  StringSink head;
  StringSink tail;
  ASSERT_TRUE(session_->fetch_head_and_tail(Uid{1}, 8, OctetRange{message.size() - 1, 100}, head, tail, within()));
  EXPECT_EQ(head.text, message.substr(0, 8));
  EXPECT_EQ(tail.text, message.substr(message.size() - 1));
}

TEST_F(SessionOnDovecot, ABodyThatIsNotThereIsENOENTOfThatMessage) {
  select();
  StringSink sink;
  const auto fetched = session_->fetch_body(Uid{77}, {}, sink, within());
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().errnum, ENOENT);
  EXPECT_EQ(fetched.error().scope, Scope::message);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(SessionOnDovecot, QresyncTellsWhatVanishedAndWhatChanged) {
  for (int number = 0; number < 5; ++number) deliver("message " + std::to_string(number));
  const auto before = select();
  session_.reset();
  server_->doveadm("expunge -u anna mailbox " + mailbox_ + " uid 2");
  server_->doveadm("flags add -u anna '\\Flagged' mailbox " + mailbox_ + " uid 4");
  session_ = open_session(server_->account_settings(), within()).value();
  session_->set_listener(&recorder_);
  const auto after = select(QresyncState{*before.uid_validity, *before.highest_modseq});
  EXPECT_TRUE(after.qresync_applied);
  EXPECT_EQ(qresync_vanished_.to_string(), "2");
  EXPECT_EQ(qresync_rows_, std::vector<Uid>{Uid{4}});
  EXPECT_EQ(after.messages, 4u);
}

TEST_F(SessionOnDovecot, SearchesByUid) {
  for (int number = 0; number < 4; ++number) deliver("message " + std::to_string(number));
  server_->doveadm("expunge -u anna mailbox " + mailbox_ + " uid 3");
  select();
  EXPECT_EQ(session_->search("ALL", within()).value().to_string(), "1:2,4");
}

TEST_F(SessionOnDovecot, IdleEndsWithTheNews) {
  deliver("first");
  select();
  auto idling = std::async(std::launch::async, [this] { return session_->idle(60s, within()); });
  deliver("second");
  const auto ended = idling.get();
  ASSERT_TRUE(ended) << ended.error().what;
  EXPECT_EQ(*ended, IdleEnd::event);
  EXPECT_EQ(recorder_.exists, 2u);
}

TEST_F(SessionOnDovecot, IdleEndsWhenRenewalIsDue) {
  select();
  EXPECT_EQ(session_->idle(1s, within()).value(), IdleEnd::renewal_due);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(SessionOnDovecot, AStopEndsIdleAndTheSessionGoesOn) {
  select();
  std::stop_source stop;
  auto idling = std::async(std::launch::async,
                           [&] { return session_->idle(60s, CallContext::within(20s, stop.get_token())); });
  stop.request_stop();
  const auto ended = idling.get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().errnum, EINTR);
  EXPECT_TRUE(session_->noop(within()));
}

TEST_F(SessionOnDovecot, VanishedArrivesOnNoop) {
  deliver("one");
  deliver("two");
  select();
  server_->doveadm("expunge -u anna mailbox " + mailbox_ + " uid 1");
  ASSERT_TRUE(testing::eventually([&] {
    EXPECT_TRUE(session_->noop(within()));
    return recorder_.vanished.contains(Uid{1}) || recorder_.expunges > 0;
  }));
  EXPECT_TRUE(recorder_.vanished.contains(Uid{1})) << "QRESYNC is enabled, so UIDs are told";
}

TEST_F(SessionOnDovecot, NotifyTellsOfOtherMailboxes) {
  select();
  ASSERT_TRUE(session_->notify_personal(within()));
  auto idling = std::async(std::launch::async, [this] { return session_->idle(60s, within()); });
  server_->deliver("Sent", sample_message("elsewhere"));
  ASSERT_TRUE(idling.get());
  EXPECT_NE(std::find(recorder_.statuses.begin(), recorder_.statuses.end(), "Sent"), recorder_.statuses.end());
}

TEST_F(SessionOnDovecot, TellsTheQuota) {
  const auto quota = session_->quota("INBOX", within()).value();
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->limit_kib, 50u * 1024);
}

TEST_F(SessionOnDovecot, ADeadlineEndsACommandAndTheSession) {
  select();
  const auto late = session_->noop(CallContext::within(-1s));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().errnum, ETIMEDOUT);
}

TEST(OpenSession, AWrongPasswordIsEACCESOfTheAccount) {
  mime::initialise_mime();
  Dovecot server;
  auto settings = server.account_settings();
  settings.password = [](const CallContext&) -> Result<std::string> { return std::string("wrong"); };
  const auto opened = open_session(settings, CallContext::within(20s));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().errnum, EACCES);
  EXPECT_EQ(opened.error().scope, Scope::account);
  EXPECT_EQ(opened.error().retry, Retry::never);
}

TEST(OpenSession, StarttlsIsUsedAndLesserServersAreFine) {
  mime::initialise_mime();
  Dovecot server({"--capability=IMAP4rev1 IDLE"});
  auto settings = server.account_settings();
  settings.implicit_tls = false;
  settings.endpoint.port = server.imap_port();
  const auto opened = open_session(settings, CallContext::within(20s));
  ASSERT_TRUE(opened) << opened.error().what;
  EXPECT_FALSE((*opened)->traits().has("QRESYNC"));
  EXPECT_NE((*opened)->description().find("TLS"), std::string::npos);
}

}  // namespace
}  // namespace imapfs::imap
