#include "sync/server.hpp"

#include <gtest/gtest.h>

#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

using testing::FakeServer;

class ServerTest : public ::testing::Test {
 protected:
  ~ServerTest() override {
    server_.stop();
    server_.close();
  }
  void open() {
    imap::SessionPool::Settings pool;
    pool.reconnect.grace = SteadyClock::duration::zero();
    server_.open(pool, fake_.factory(), listener_);
  }
  Result<std::size_t> ask_for_number_of_mailboxes() {
    return await<std::size_t>([&](Completion<std::size_t> done) {
      server_.ask<std::size_t>(
          {.what = "count"},
          [](imap::Session& session, const CallContext& context) -> Result<std::size_t> {
            return IMAPFS_TRY(session.list("", context)).size();
          },
          std::move(done));
    });
  }

  struct Listener final : imap::PoolListener {
    explicit Listener(Server& server) : server(server) {}
    imap::UntaggedListener* on_session_opened(imap::Session& session) override {
      server.note_traits(session);
      return nullptr;
    }
    void on_online(bool, const std::string&) override {}
    Server& server;
  };

  FakeServer fake_;
  Server server_{test_patience};
  Listener listener_{server_};
};

TEST_F(ServerTest, AnAnswerReachesWhoHasAsked) {
  open();
  fake_.create_mailbox("Lists");
  const auto count = ask_for_number_of_mailboxes();
  ASSERT_TRUE(count) << count.error().what;
  EXPECT_EQ(*count, 2u);
}

TEST_F(ServerTest, AQuestionIsAskedAgainAfterALostConnection) {
  open();
  fake_.fail_next("LIST");
  const auto count = ask_for_number_of_mailboxes();
  ASSERT_TRUE(count) << count.error().what;
  EXPECT_EQ(*count, 1u);
  EXPECT_EQ(fake_.count("LOGIN"), 2u);
}

TEST_F(ServerTest, AnErrorReachesWhoHasAsked) {
  open();
  fake_.refuse_command("LIST", {EACCES, Scope::mailbox, Retry::never, "no"});
  const auto count = ask_for_number_of_mailboxes();
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().errnum, EACCES);
}

TEST_F(ServerTest, BeforeTheStartAndAfterTheEndEveryQuestionIsRefused) {
  EXPECT_EQ(ask_for_number_of_mailboxes().error().errnum, ECANCELED);
  open();
  EXPECT_TRUE(server_.stop());
  EXPECT_FALSE(server_.stop());
  EXPECT_EQ(ask_for_number_of_mailboxes().error().errnum, ECANCELED);
}

TEST_F(ServerTest, WhatTheServerHasIsNotKnownBeforeTheFirstSession) {
  EXPECT_FALSE(server_.has("QRESYNC"));
  EXPECT_TRUE(server_.may_have("QRESYNC"));
  open();
  ASSERT_TRUE(ask_for_number_of_mailboxes());
  EXPECT_TRUE(server_.has("QRESYNC"));
  EXPECT_FALSE(server_.may_have("X-NOBODY-HAS-THIS"));
}

TEST_F(ServerTest, WhoNeedsAConnectionGoesOnWhetherThereIsOneOrNot) {
  fake_.refuse_connections();
  open();
  const auto connected = await<void>(
      [&](const Completion<void>& done) { server_.with_connection([done] { done({}); }); });
  EXPECT_TRUE(connected);
}

}  // namespace
}  // namespace imapfs::sync
