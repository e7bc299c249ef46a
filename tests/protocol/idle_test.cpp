#include <future>

#include "dialogue.hpp"

namespace imapfs::imap::test {
namespace {

constexpr auto long_renewal = std::chrono::seconds(60);

std::unique_ptr<Session> idling_session(ScriptedServer& server, NotingListener& listener) {
  auto session = logged_in(server);
  if (session == nullptr) return session;
  EXPECT_TRUE(session->select(inbox(), patient()));
  session->set_listener(&listener);
  return session;
}

TEST(Idle, ReturnsAfterNewsWasDeliveredAndDoneAnswered) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ idling\r\n* OK Still here\r\n* 4 EXISTS\r\n* VANISHED 3\r\n")
      .expect_bare("DONE")
      .send("* 5 EXISTS\r\n{tag} OK done\r\n")
      .answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, patient());
  ASSERT_TRUE(end) << end.error().what;
  EXPECT_EQ(*end, IdleEnd::event);
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"exists 4", "vanished 3", "exists 5"}));
  EXPECT_TRUE(session->noop(patient()));
}

TEST(Idle, TellsOfTheModSequenceOfAMailboxWhoseNewMessageIsGoneAlready) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE ENABLE CONDSTORE QRESYNC")
      .answer("EXAMINE", "* OK [HIGHESTMODSEQ 4] Highest\r\n")
      .expect("IDLE")
      .send("+ idling\r\n* OK [HIGHESTMODSEQ 0] no\r\n* OK [HIGHESTMODSEQ x] no\r\n* OK [HIGHESTMODSEQ 9] Highest\r\n")
      .expect_bare("DONE")
      .send("{tag} OK done\r\n");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, patient());
  ASSERT_TRUE(end) << end.error().what;
  EXPECT_EQ(*end, IdleEnd::event);
  EXPECT_EQ(listener.notes, std::vector<std::string>{"modseq 9"});
}

TEST(Idle, NewsBeforeTheContinuationIsNoDeadlock) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("* 4 EXISTS\r\n+\r\n")
      .expect_bare("DONE")
      .send("* 5 EXISTS\r\n{tag} OK\r\n");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, patient());
  ASSERT_TRUE(end) << end.error().what;
  EXPECT_EQ(*end, IdleEnd::renewal_due) << "what comes with any command was not told by IDLE";
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"exists 4", "exists 5"}));
}

TEST(Idle, IsRenewedWhenItIsDue) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n")
      .expect_bare("DONE")
      .send("{tag} OK\r\n");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(std::chrono::seconds(0), patient());
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, IdleEnd::renewal_due);
}

/// Stops when the server has received a line with `text`.
class Stopper {
 public:
  Stopper(ScriptedServer& server, std::string text)
      : thread_([this, &server, text = std::move(text)](const std::stop_token& end) {
          while (!end.stop_requested()) {
            const auto lines = server.received();
            if (!lines.empty() && lines.back().find(text) != std::string::npos) break;
            std::this_thread::yield();
          }
          source_.request_stop();
        }) {}
  [[nodiscard]] CallContext context() const {
    return CallContext::within(std::chrono::seconds(20), source_.get_token());
  }

 private:
  std::stop_source source_;
  std::jthread thread_;
};

TEST(Idle, StoppedWhileItWaitsLeavesTheSessionUsable) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n")
      .expect_bare("DONE")
      .send("{tag} OK\r\n")
      .answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const Stopper stopper(server, "IDLE");
  const auto end = session->idle(long_renewal, stopper.context());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, EINTR);
  EXPECT_EQ(end.error().scope, Scope::request);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Idle, AskedItEndsAsIfRenewalWereDue) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n")
      .expect_bare("DONE")
      .send("* 3 EXISTS\r\n{tag} OK\r\n")
      .answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const Stopper asker(server, "IDLE");
  const auto end = session->idle(long_renewal, patient(), asker.context().stop);
  ASSERT_TRUE(end) << end.error().what << server.complaint();
  EXPECT_EQ(*end, IdleEnd::renewal_due);
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 3"});
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Idle, AskedAServerThatDoesNotAnswerIsGivenUpAfterSeconds) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").expect("IDLE").send("+ \r\n").expect_bare("DONE");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const Stopper asker(server, "IDLE");
  const auto began = SteadyClock::now();
  const auto end = session->idle(long_renewal, patient(), asker.context().stop);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, ETIMEDOUT);
  EXPECT_EQ(end.error().scope, Scope::session);
  EXPECT_LT(SteadyClock::now() - began, std::chrono::seconds(15));
}

TEST(Idle, AskedBeforeTheContinuationWaitsForItNoLongerThanForTheAnswer) {
  ScriptedServer server;
  std::stop_source asked;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").expect("IDLE").call([&] { asked.request_stop(); });
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto began = SteadyClock::now();
  const auto end = session->idle(long_renewal, CallContext::within(std::chrono::minutes(1)), asked.get_token());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, ETIMEDOUT);
  EXPECT_LT(SteadyClock::now() - began, std::chrono::seconds(15));
}

TEST(SilenceWatch, IsAskedWhileACommandIsNotAnsweredAndEndsIt) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").expect("NOOP").send("* 3 EXISTS\r\n");
  NotingListener listener;
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  int asked = 0;
  bool changes = false;
  session->set_silence_watch({std::chrono::milliseconds(20), [&](SteadyClock::duration silent, bool changing) {
                                changes = changes || changing;
                                return ++asked > 1 && silent >= std::chrono::milliseconds(60);
                              }});
  const auto answer = session->noop(patient());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().errnum, ETIMEDOUT) << answer.error().what;
  EXPECT_EQ(answer.error().scope, Scope::session);
  EXPECT_EQ(answer.error().retry, Retry::now) << "nothing was changed";
  EXPECT_FALSE(changes);
}

TEST(SilenceWatch, IsToldOfChangesWhoseOutcomeIsUnknownThen) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").expect("CREATE");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  session->set_silence_watch(
      {std::chrono::milliseconds(20), [](SteadyClock::duration, bool changing) { return changing; }});
  const auto created = session->create_mailbox("A", patient());
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().scope, Scope::session);
  EXPECT_EQ(created.error().retry, Retry::later);
}

TEST(SilenceWatch, DoesNotMindAnAnswerThatTakesItsTime) {
  ScriptedServer server;
  std::promise<void> asked;
  server.log_in("IMAP4rev1 IDLE").expect("NOOP").call([&] { asked.get_future().wait(); }).send("{tag} OK\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  int times = 0;
  session->set_silence_watch({std::chrono::milliseconds(10), [&](SteadyClock::duration, bool) {
                                if (++times == 3) asked.set_value();
                                return false;
                              }});
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Idle, StoppedBeforeItBeganSendsNothing) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  std::stop_source stop;
  stop.request_stop();
  const auto end = session->idle(long_renewal, CallContext{stop.get_token(), Deadline::max()});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, EINTR);
  EXPECT_EQ(end.error().scope, Scope::request);
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Idle, StoppedBetweenTheCommandAndTheContinuationLeavesTheSessionUsable) {
  ScriptedServer server;
  std::stop_source stop;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .call([&] { stop.request_stop(); })
      .send("* 3 EXISTS\r\n+ idling\r\n")
      .expect_bare("DONE")
      .send("{tag} OK\r\n")
      .answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, CallContext{stop.get_token(), Deadline::max()});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, EINTR);
  EXPECT_EQ(end.error().scope, Scope::request);
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 3"});
  EXPECT_TRUE(session->noop(patient())) << server.complaint();
}

TEST(Idle, StoppedAServerThatDoesNotAnswerDoneIsGivenUpAfterTwoSeconds) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").expect("IDLE").send("+ \r\n").expect_bare("DONE");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const Stopper stopper(server, "IDLE");
  const auto began = SteadyClock::now();
  const auto end = session->idle(long_renewal, stopper.context());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, EINTR);
  EXPECT_EQ(end.error().scope, Scope::session);
  EXPECT_GE(SteadyClock::now() - began, std::chrono::milliseconds(1900));
  EXPECT_LT(SteadyClock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(server.received().back(), "DONE");
}

TEST(Idle, AServerThatSendsNoContinuationEndsAtTheDeadline) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").expect("IDLE");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, CallContext::within(std::chrono::milliseconds(50)));
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().errnum, ETIMEDOUT);
  EXPECT_EQ(end.error().scope, Scope::session);
}

TEST(Idle, AServerThatHangsUpHasDeliveredItsNewsFirst) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE")
      .answer("EXAMINE", "")
      .expect("IDLE")
      .send("+ \r\n* 4 EXISTS\r\n* OK [ALERT] bye\r\n")
      .hang_up();
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  const auto end = session->idle(long_renewal, patient());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().scope, Scope::session);
  EXPECT_EQ(listener.notes, std::vector<std::string>{"exists 4"});
}

TEST(Idle, RefusedIsAnErrorAndTheSessionGoesOn) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 IDLE").answer("EXAMINE", "").answer("IDLE", "", "NO not now").answer("NOOP", "");
  NotingListener listener;
  const auto session = idling_session(server, listener);
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(session->idle(long_renewal, patient()));
  EXPECT_TRUE(session->noop(patient()));
}

TEST(Idle, NeedsTheCapabilityAndAMailbox) {
  ScriptedServer without;
  without.log_in("IMAP4rev1");
  auto session = logged_in(without);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->idle(long_renewal, patient()).error().errnum, EOPNOTSUPP);
  EXPECT_EQ(session->notify_personal(patient()).error().errnum, EOPNOTSUPP);
  ScriptedServer unselected;
  unselected.log_in("IMAP4rev1 IDLE");
  session = logged_in(unselected);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->idle(long_renewal, patient()).error().errnum, EINVAL);
}

TEST(Notify, StatusOfOtherMailboxesReachesTheListener) {
  ScriptedServer server;
  server.log_in("IMAP4rev1 NOTIFY")
      .answer("NOTIFY SET STATUS", "* STATUS Archive (MESSAGES 7)\r\n")
      .answer("NOOP", "* LIST () \"/\" New (\"OLDNAME\" (\"Old\"))\r\n");
  const auto session = logged_in(server);
  ASSERT_NE(session, nullptr);
  NotingListener listener;
  session->set_listener(&listener);
  ASSERT_TRUE(session->notify_personal(patient()));
  ASSERT_TRUE(session->noop(patient()));
  EXPECT_EQ(listener.notes, (std::vector<std::string>{"status Archive 7", "list"}));
}

}  // namespace
}  // namespace imapfs::imap::test
