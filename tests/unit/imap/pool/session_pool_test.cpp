#include "imapfs/imap/session_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "support/fake_server.hpp"

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;
using imapfs::testing::FakeServer;
using ::testing::ElementsAre;

/// The completion of one job: counts calls and keeps the result.
class Outcome {
 public:
  std::function<void(Result<void>)> completion() {
    return [this](Result<void> result) {
      const std::lock_guard guard(mutex_);
      ++calls_;
      result_ = std::move(result);
      thread_ = std::this_thread::get_id();
      changed_.notify_all();
    };
  }
  /// errno, 0 for success, -1 when nothing came in ten seconds.
  int wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, FakeServer::patience, [this] { return calls_ > 0; })) return -1;
    return result_ ? 0 : result_.error().errnum;
  }
  int calls() {
    const std::lock_guard guard(mutex_);
    return calls_;
  }
  std::thread::id thread() {
    const std::lock_guard guard(mutex_);
    return thread_;
  }
  std::string what() {
    const std::lock_guard guard(mutex_);
    return result_ ? "" : result_.error().what;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  Result<void> result_;
  std::thread::id thread_;
};

class RecordingPoolListener : public PoolListener {
 public:
  UntaggedListener* on_session_opened(Session&) override {
    ++opened;
    return nullptr;
  }
  void on_connection_doubted() override { ++doubts; }
  void on_online(bool online, const std::string&) override {
    const std::lock_guard guard(mutex_);
    reports_.push_back(online);
  }
  std::vector<bool> reports() {
    const std::lock_guard guard(mutex_);
    return reports_;
  }
  std::atomic<int> opened{0};
  std::atomic<int> doubts{0};

 private:
  std::mutex mutex_;
  std::vector<bool> reports_;
};

class SessionPoolTest : public ::testing::Test {
 protected:
  SessionPoolTest() {
    for (const auto* name : {"A", "B", "C"}) server_.create_mailbox(name);
    settings_.connections = 2;
    settings_.connect_timeout = 10s;
    // Delays no test lives to see, unless it asks for others.
    settings_.reconnect.backoff.first = settings_.reconnect.backoff.cap = 1h;
    settings_.reconnect.eager_after = 1h;
    settings_.reconnect.grace = 0s;
  }
  /// Attempts for those who wait as quickly as the test likes; nobody is told for an hour that there is no connection.
  void have_patience() {
    settings_.reconnect.eager_after = 5ms;
    settings_.reconnect.grace = 1h;
  }
  SessionPool& pool() {
    if (!pool_) pool_ = std::make_unique<SessionPool>(settings_, server_.factory(), &listener_);
    return *pool_;
  }
  PoolJob noop_job(Outcome& outcome, Priority priority = Priority::interactive) {
    PoolJob job;
    job.priority = priority;
    job.context = CallContext::within(1min);
    job.run = [](Session& session, const CallContext& context) { return session.noop(context); };
    job.done = outcome.completion();
    job.what = "say NOOP";
    return job;
  }
  /// Selects the mailbox unless it is selected, and writes down which connection it was given.
  PoolJob select_job(const WireName& mailbox, Outcome& outcome, std::string* served_by = nullptr) {
    auto job = noop_job(outcome);
    job.mailbox = mailbox;
    job.run = [mailbox, served_by](Session& session, const CallContext& context) -> Result<void> {
      if (served_by != nullptr) *served_by = session.description();
      if (session.selected() != mailbox) IMAPFS_TRY(session.select({mailbox, false, {}, {}, {}}, context));
      return {};
    };
    return job;
  }
  int run(PoolJob job, Outcome& outcome) {
    pool().submit(std::move(job));
    return outcome.wait();
  }
  int select(const WireName& mailbox, std::string* served_by = nullptr) {
    Outcome outcome;
    return run(select_job(mailbox, outcome, served_by), outcome);
  }
  int noop(Priority priority = Priority::interactive) {
    Outcome outcome;
    return run(noop_job(outcome, priority), outcome);
  }
  /// Takes the only thread of a pool of one until NOOP is released.
  void occupy(Outcome& outcome) {
    server_.hold("NOOP");
    pool().submit(noop_job(outcome));
    ASSERT_TRUE(server_.wait_until_held("NOOP"));
  }
  std::unique_ptr<Session> open() { return std::move(server_.factory()(CallContext::within(10s)).value()); }

  FakeServer server_;
  RecordingPoolListener listener_;
  SessionPool::Settings settings_;
  std::unique_ptr<SessionPool> pool_;
};

TEST_F(SessionPoolTest, OpensNoConnectionBeforeItIsNeeded) {
  EXPECT_FALSE(pool().status().online);
  EXPECT_EQ(server_.count("LOGIN"), 0u);
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
  EXPECT_EQ(listener_.opened, 1);
}

TEST_F(SessionPoolTest, CallsTheCompletionOnAThreadOfThePool) {
  Outcome outcome;
  EXPECT_EQ(run(noop_job(outcome), outcome), 0);
  pool().close();
  EXPECT_EQ(outcome.calls(), 1);
  EXPECT_NE(outcome.thread(), std::this_thread::get_id());
}

TEST_F(SessionPoolTest, HandsOnTheErrorOfAJobAndKeepsTheSession) {
  EXPECT_EQ(select("missing"), ENOENT);
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, AJobThatThrowsIsEIOAndCostsItsConnectionOnly) {
  settings_.connections = 1;
  Outcome outcome;
  auto job = noop_job(outcome);
  job.run = [](Session&, const CallContext&) -> Result<void> { throw std::runtime_error("a defect"); };
  EXPECT_EQ(run(std::move(job), outcome), EIO);
  EXPECT_EQ(outcome.calls(), 1);
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, ACompletionThatThrowsCostsNothing) {
  settings_.connections = 1;
  Outcome outcome;
  auto job = noop_job(outcome);
  job.done = [](const Result<void>&) { throw std::runtime_error("a defect"); };
  pool().submit(std::move(job));
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, AnExceptionWhileConnectingIsEIOAndTheNextJobConnects) {
  settings_.connections = 1;
  bool thrown = false;
  pool_ = std::make_unique<SessionPool>(
      settings_,
      [&, honest = server_.factory()](const CallContext& context) {
        if (!std::exchange(thrown, true)) throw std::runtime_error("a defect");
        return honest(context);
      },
      &listener_);
  EXPECT_EQ(noop(), EIO);
  EXPECT_EQ(noop(), 0);
}

TEST_F(SessionPoolTest, PrefersTheSessionThatHasTheMailboxSelected) {
  std::string of_a;
  std::string of_b;
  ASSERT_EQ(select("A", &of_a), 0);
  ASSERT_EQ(select("B", &of_b), 0);
  EXPECT_NE(of_a, of_b);
  for (int i = 0; i < 5; ++i) {
    std::string again;
    ASSERT_EQ(select("A", &again), 0);
    EXPECT_EQ(again, of_a);
    ASSERT_EQ(select("B", &again), 0);
    EXPECT_EQ(again, of_b);
  }
  EXPECT_EQ(server_.count("SELECT"), 2u);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, SessionsLeaveAMailboxThatAnotherHasRemovedBeforeTheyDoAnythingElse) {
  std::string of_a;
  std::string of_b;
  ASSERT_EQ(select("A", &of_a), 0);
  ASSERT_EQ(select("B", &of_b), 0);
  Outcome removed;
  auto removal = select_job("B", removed);
  removal.unmakes = {"A"};
  ASSERT_EQ(run(std::move(removal), removed), 0);
  std::string selected = "?";
  Outcome outcome;
  auto look = noop_job(outcome);
  look.run = [&](Session& session, const CallContext&) -> Result<void> {
    if (session.description() == of_a) selected = session.selected();
    return {};
  };
  ASSERT_EQ(run(std::move(look), outcome), 0);
  EXPECT_EQ(selected, "");
  EXPECT_EQ(server_.count("UNSELECT"), 1u);
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  EXPECT_EQ(server_.count("UNSELECT"), 1u) << "told once, and who has something else selected keeps it";
  EXPECT_EQ(server_.count("SELECT"), 3u);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, AnInternalErrorIsTriedOnAnotherSessionWhereMailboxesWereRemoved) {
  const auto stumbling = [this](Outcome& outcome, int& runs) {
    auto job = noop_job(outcome);
    job.run = [&runs](Session&, const CallContext&) -> Result<void> {
      ++runs;
      return fail(EIO, Scope::request, Retry::never, "SELECT: server answered NO [SERVERBUG] Internal error occurred");
    };
    return job;
  };
  have_patience();
  settings_.connections = 1;
  int runs = 0;
  Outcome plain;
  EXPECT_EQ(run(stumbling(plain, runs), plain), EIO);
  EXPECT_EQ(runs, 1);
  Outcome removed;
  auto removal = noop_job(removed);
  removal.unmakes = {"A"};
  ASSERT_EQ(run(std::move(removal), removed), 0);
  runs = 0;
  Outcome again;
  EXPECT_EQ(run(stumbling(again, runs), again), EIO);
  EXPECT_EQ(runs, 2) << "once more on a new connection, and no further";
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, PrefersASessionWithNothingSelectedToANewConnection) {
  pool().adopt(open());
  EXPECT_EQ(select("A"), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, TakesTheLeastRecentlyUsedSessionForAnotherMailbox) {
  std::string of_a;
  std::string of_b;
  std::string of_c;
  ASSERT_EQ(select("A", &of_a), 0);
  ASSERT_EQ(select("B", &of_b), 0);
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("C", &of_c), 0);
  EXPECT_EQ(of_c, of_b);
}

TEST_F(SessionPoolTest, OpensNoFurtherConnectionForAJobThatNeedsNoMailbox) {
  ASSERT_EQ(select("A"), 0);
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, AJobSubmittedByACompletionFindsItsMailboxStillSelected) {
  Outcome second;
  std::string first_session;
  std::string second_session;
  auto job = select_job("A", second, &first_session);
  job.done = [&](Result<void>) { pool().submit(select_job("A", second, &second_session)); };
  pool().submit(std::move(job));
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(first_session, second_session);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, AJobThatGoesOnWaitsForTheConnectionThatIsAboutToBeFree) {
  ASSERT_EQ(select("A"), 0);
  server_.hold("NOOP");
  Outcome busy;
  auto short_job = noop_job(busy);
  short_job.mailbox = "A";
  pool().submit(std::move(short_job));
  ASSERT_TRUE(server_.wait_until_held("NOOP"));
  Outcome long_one;
  auto goes_on = select_job("A", long_one);
  goes_on.goes_on = true;
  pool().submit(std::move(goes_on));
  EXPECT_EQ(pool().status().queued, 1u);
  server_.release("NOOP");
  EXPECT_EQ(long_one.wait(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, NobodyWaitsForTheConnectionOfAJobThatGoesOn) {
  ASSERT_EQ(select("A"), 0);
  server_.hold("NOOP");
  Outcome first;
  auto goes_on = noop_job(first);
  goes_on.mailbox = "A";
  goes_on.goes_on = true;
  pool().submit(std::move(goes_on));
  ASSERT_TRUE(server_.wait_until_held("NOOP"));
  Outcome second;
  auto another = select_job("A", second);
  another.goes_on = true;
  EXPECT_EQ(run(std::move(another), second), 0);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
  server_.release("NOOP");
  EXPECT_EQ(first.wait(), 0);
}

TEST_F(SessionPoolTest, InteractiveJobsOvertakeBackgroundOnes) {
  settings_.connections = 1;
  Outcome occupied;
  occupy(occupied);
  std::vector<std::string> order;  // written by the only thread, read after close()
  Outcome background;
  Outcome interactive;
  auto slow = noop_job(background, Priority::background);
  slow.run = [&](Session&, const CallContext&) -> Result<void> {
    return order.emplace_back("background"), Result<void>();
  };
  auto quick = noop_job(interactive);
  quick.run = [&](Session&, const CallContext&) -> Result<void> {
    return order.emplace_back("interactive"), Result<void>();
  };
  pool().submit(std::move(slow));
  pool().submit(std::move(quick));
  EXPECT_EQ(pool().status().queued, 2u);
  server_.release("NOOP");
  EXPECT_EQ(background.wait(), 0);
  pool().close();
  EXPECT_THAT(order, ElementsAre("interactive", "background"));
}

TEST_F(SessionPoolTest, KeepsOneThreadFreeOfBackgroundJobs) {
  settings_.connections = 3;
  server_.hold("NOOP");
  std::vector<Outcome> background(5);
  for (auto& outcome : background) pool().submit(noop_job(outcome, Priority::background));
  ASSERT_TRUE(server_.wait_until_held("NOOP", 2));
  EXPECT_EQ(pool().status().queued, 3u);
  EXPECT_EQ(select("A"), 0);
  EXPECT_EQ(server_.count("NOOP"), 2u);
  server_.release("NOOP");
  for (auto& outcome : background) EXPECT_EQ(outcome.wait(), 0);
}

TEST_F(SessionPoolTest, ASingleThreadServesBackgroundJobsToo) {
  settings_.connections = 1;
  EXPECT_EQ(noop(Priority::background), 0);
}

TEST_F(SessionPoolTest, RunsAJobAgainOnANewConnectionWhenItsOwnWasLost) {
  server_.fail_next("NOOP");
  server_.fail_next("NOOP");
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("NOOP"), 3u);
  EXPECT_EQ(server_.count("LOGIN"), 3u);
}

TEST_F(SessionPoolTest, RunsAJobAgainAsOftenAsItsDeadlineAllows) {
  for (int i = 0; i < 12; ++i) server_.fail_next("NOOP");
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("NOOP"), 13u);
}

TEST_F(SessionPoolTest, EndsAJobThatLosesEveryConnectionAtItsDeadline) {
  for (int i = 0; i < 10'000; ++i) server_.fail_next("NOOP");
  Outcome outcome;
  auto job = noop_job(outcome);
  job.context = CallContext::within(300ms);
  EXPECT_NE(run(std::move(job), outcome), 0);
  // The pauses grow: a server that dies of a job is not called as often as it can die.
  EXPECT_LT(server_.count("NOOP"), 30u);
}

TEST_F(SessionPoolTest, RunsAJobWithoutADeadlineAgainThreeTimesAtMost) {
  for (int i = 0; i < 10; ++i) server_.fail_next("NOOP");
  Outcome outcome;
  auto job = noop_job(outcome);
  job.context = {};
  EXPECT_EQ(run(std::move(job), outcome), ECONNRESET);
  EXPECT_EQ(server_.count("NOOP"), 4u);
}

TEST_F(SessionPoolTest, HoldsJobsUntilTheServerIsBackAndServesAllOfThemThen) {
  have_patience();
  ASSERT_EQ(select("A"), 0);
  server_.refuse_connections();
  server_.drop_all_sessions();
  std::vector<Outcome> outcomes(20);
  for (auto& outcome : outcomes) pool().submit(noop_job(outcome));
  Outcome background;
  pool().submit(noop_job(background, Priority::background));
  ASSERT_TRUE(server_.wait_for_count("LOGIN", 5));
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.calls(), 0);
  server_.accept_connections();
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.wait(), 0);
  EXPECT_EQ(background.wait(), 0);
  EXPECT_THAT(listener_.reports(), ElementsAre(true)) << "an outage shorter than the grace is no change";
}

TEST_F(SessionPoolTest, AConnectionAttemptThatIsCutCostsNobodyAnError) {
  have_patience();
  for (int i = 0; i < 3; ++i) server_.fail_next("LOGIN");
  std::vector<Outcome> outcomes(5);
  for (auto& outcome : outcomes) pool().submit(noop_job(outcome));
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.wait(), 0);
}

TEST_F(SessionPoolTest, TellsThoseWhoWaitWhenAttemptsHaveFailedForTheGrace) {
  have_patience();
  settings_.reconnect.grace = 100ms;
  server_.refuse_connections();
  const auto began = SteadyClock::now();
  std::vector<Outcome> outcomes(3);
  for (auto& outcome : outcomes) pool().submit(noop_job(outcome));
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.wait(), EHOSTUNREACH);
  EXPECT_GE(SteadyClock::now() - began, 100ms);
  EXPECT_FALSE(pool().online());
}

TEST_F(SessionPoolTest, AfterTheGraceWhoComesIsStillWorthAnAttempt) {
  have_patience();
  settings_.reconnect.grace = 0s;
  server_.refuse_connections();
  EXPECT_EQ(noop(), EHOSTUNREACH);
  server_.accept_connections();
  const auto end = SteadyClock::now() + FakeServer::patience;
  int result = EHOSTUNREACH;
  while (result != 0 && SteadyClock::now() < end) result = noop();
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(pool().online());
}

TEST_F(SessionPoolTest, WhoComesDuringAnAttemptWaitsForItsOutcome) {
  settings_.reconnect.eager_after = 0s;
  server_.refuse_connections();
  EXPECT_EQ(noop(), EHOSTUNREACH);
  server_.accept_connections();
  server_.hold("LOGIN");
  Outcome first;
  pool().submit(noop_job(first));
  ASSERT_TRUE(server_.wait_until_held("LOGIN"));
  Outcome second;
  pool().submit(noop_job(second, Priority::background));
  EXPECT_EQ(second.calls(), 0);
  server_.release("LOGIN");
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
}

TEST_F(SessionPoolTest, AChangeIsWorthAnAttemptAsIfSomebodyWaited) {
  have_patience();
  server_.refuse_connections();
  Outcome outcome;
  auto job = noop_job(outcome, Priority::background);
  job.changes = true;
  pool().submit(std::move(job));
  ASSERT_TRUE(server_.wait_for_count("LOGIN", 3));
  server_.accept_connections();
  EXPECT_EQ(outcome.wait(), 0);
}

TEST_F(SessionPoolTest, AJobHeldForAConnectionEndsAtItsDeadline) {
  have_patience();
  server_.refuse_connections();
  Outcome patient;
  pool().submit(noop_job(patient));
  // A second attempt is made when the first is known to have failed.
  ASSERT_TRUE(server_.wait_for_count("LOGIN", 2));
  Outcome outcome;
  auto job = noop_job(outcome);
  job.context = CallContext::within(50ms);
  EXPECT_EQ(run(std::move(job), outcome), EHOSTUNREACH);
  server_.accept_connections();
  EXPECT_EQ(patient.wait(), 0);
}

TEST_F(SessionPoolTest, DoesNotRunAJobAgainAfterItsDeadline) {
  server_.hold("NOOP");
  Outcome outcome;
  std::atomic<int> runs{0};
  auto job = noop_job(outcome);
  job.context = CallContext::within(30ms);
  job.run = [&](Session& session, const CallContext& context) -> Result<void> {
    ++runs;
    EXPECT_EQ(session.noop(context).error().errnum, ETIMEDOUT);
    return fail(ECONNRESET, Scope::session, Retry::now, "connection lost after the deadline");
  };
  EXPECT_EQ(run(std::move(job), outcome), ECONNRESET);
  EXPECT_EQ(runs, 1);
}

TEST_F(SessionPoolTest, DoesNotRunAJobAgainThatMustNotBeRepeated) {
  server_.fail_next("NOOP", Error{EIO, Scope::session, Retry::never, "NOOP: broken answer"});
  EXPECT_EQ(noop(), EIO);
  EXPECT_EQ(server_.count("NOOP"), 1u);
  EXPECT_EQ(noop(), 0);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, DoesNotRepeatARefusedLogin) {
  settings_.reconnect.eager_after = 0s;
  server_.refuse_connections(Error{EACCES, Scope::account, Retry::never, "LOGIN: authentication failed"});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(noop(), EACCES);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
  EXPECT_NE(pool().status().last_error.find("authentication failed"), std::string::npos);
}

TEST_F(SessionPoolTest, FailsAtOnceWhileTheServerCannotBeReached) {
  server_.refuse_connections();
  EXPECT_EQ(noop(), EHOSTUNREACH);
  Outcome outcome;
  EXPECT_EQ(run(noop_job(outcome), outcome), EHOSTUNREACH);
  EXPECT_EQ(outcome.thread(), std::this_thread::get_id());
  EXPECT_EQ(outcome.what(), "say NOOP: connect: no route to host");
  EXPECT_EQ(noop(Priority::background), EHOSTUNREACH);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
  EXPECT_FALSE(pool().status().online);
}

TEST_F(SessionPoolTest, FailsWhatWaitedForAConnectionThatCouldNotBeMade) {
  settings_.connections = 1;
  server_.hold("LOGIN");
  server_.refuse_connections();
  std::vector<Outcome> outcomes(3);
  for (auto& outcome : outcomes) pool().submit(noop_job(outcome));
  ASSERT_TRUE(server_.wait_until_held("LOGIN"));
  server_.release("LOGIN");
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.wait(), EHOSTUNREACH);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, LetsAnInteractiveJobTryBesideTheBackoff) {
  settings_.reconnect.eager_after = 0s;
  server_.refuse_connections();
  EXPECT_EQ(noop(Priority::background), EHOSTUNREACH);
  server_.accept_connections();
  EXPECT_EQ(noop(Priority::background), EHOSTUNREACH);
  EXPECT_EQ(noop(Priority::interactive), 0);
  EXPECT_EQ(noop(Priority::background), 0);
}

TEST_F(SessionPoolTest, ForgetsTheBackoffWhenToldTo) {
  server_.refuse_connections();
  EXPECT_EQ(noop(), EHOSTUNREACH);
  server_.accept_connections();
  EXPECT_EQ(noop(), EHOSTUNREACH);
  pool().retry_now();
  EXPECT_EQ(noop(Priority::background), 0);
}

TEST_F(SessionPoolTest, StaysAwayAsLongAsTheServerAsked) {
  settings_.reconnect.eager_after = 0s;
  server_.fail_next("NOOP", Error{EAGAIN, Scope::session, Retry::later,
                                  "NOOP: Request is throttled. Suggested Backoff Time: 300000 milliseconds"});
  EXPECT_EQ(noop(), EAGAIN);
  EXPECT_EQ(noop(), EAGAIN);
  EXPECT_EQ(server_.count("LOGIN"), 1u);
}

TEST_F(SessionPoolTest, AJobWaitsForALiveSessionWhenTheServerTakesNoFurtherConnection) {
  Outcome first;
  occupy(first);
  server_.refuse_connections(Error{EAGAIN, Scope::session, Retry::later, "LOGIN: too many connections [LIMIT]"});
  Outcome second;
  pool().submit(select_job("A", second));
  ASSERT_TRUE(server_.wait_for_count("LOGIN", 2));
  server_.release("NOOP");
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_THAT(listener_.reports(), ElementsAre(true));
}

TEST_F(SessionPoolTest, CancelsAQueuedJobAtOnce) {
  settings_.connections = 1;
  Outcome occupied;
  occupy(occupied);
  std::stop_source stop;
  Outcome queued;
  auto job = noop_job(queued);
  job.context.stop = stop.get_token();
  job.run = [](Session&, const CallContext&) -> Result<void> {
    return ADD_FAILURE() << "a cancelled job ran", Result<void>();
  };
  pool().submit(std::move(job));
  stop.request_stop();
  EXPECT_EQ(queued.wait(), EINTR);
  EXPECT_EQ(occupied.calls(), 0);
  server_.release("NOOP");
  EXPECT_EQ(occupied.wait(), 0);
  pool().close();
  EXPECT_EQ(queued.calls(), 1);
}

TEST_F(SessionPoolTest, CancelsARunningJobAtOnce) {
  server_.hold("NOOP");
  std::stop_source stop;
  Outcome outcome;
  auto job = noop_job(outcome);
  job.context.stop = stop.get_token();
  pool().submit(std::move(job));
  ASSERT_TRUE(server_.wait_until_held("NOOP"));
  stop.request_stop();
  EXPECT_EQ(outcome.wait(), EINTR);
  server_.release("NOOP");
  EXPECT_EQ(noop(), 0);
  pool().close();
  EXPECT_EQ(outcome.calls(), 1);
}

TEST_F(SessionPoolTest, ACancelledConnectionAttemptSaysNothingAboutTheServer) {
  server_.hold("LOGIN");
  std::stop_source stop;
  Outcome outcome;
  auto job = noop_job(outcome);
  job.context.stop = stop.get_token();
  pool().submit(std::move(job));
  ASSERT_TRUE(server_.wait_until_held("LOGIN"));
  stop.request_stop();
  EXPECT_EQ(outcome.wait(), EINTR);
  server_.release("LOGIN");
  EXPECT_EQ(noop(), 0);
  EXPECT_THAT(listener_.reports(), ElementsAre(true));
}

TEST_F(SessionPoolTest, RefusesAJobThatIsAlreadyCancelledOrExpired) {
  std::stop_source stop;
  stop.request_stop();
  Outcome cancelled;
  auto job = noop_job(cancelled);
  job.context.stop = stop.get_token();
  EXPECT_EQ(run(std::move(job), cancelled), EINTR);
  Outcome expired;
  job = noop_job(expired);
  job.context.deadline = SteadyClock::now();
  EXPECT_EQ(run(std::move(job), expired), ETIMEDOUT);
  EXPECT_EQ(server_.count("LOGIN"), 0u);
}

TEST_F(SessionPoolTest, EndsAQueuedJobAtItsDeadline) {
  settings_.connections = 1;
  Outcome occupied;
  occupy(occupied);
  Outcome queued;
  auto job = noop_job(queued);
  job.context = CallContext::within(20ms);
  EXPECT_EQ(run(std::move(job), queued), ETIMEDOUT);
  EXPECT_EQ(occupied.calls(), 0);
  server_.release("NOOP");
  EXPECT_EQ(occupied.wait(), 0);
}

TEST_F(SessionPoolTest, RefusesJobsBeyondTheQueueLimit) {
  settings_.connections = 1;
  settings_.queue_limit = 2;
  std::vector<Outcome> queued(2);
  Outcome occupied;
  occupy(occupied);
  for (auto& outcome : queued) pool().submit(noop_job(outcome));
  EXPECT_EQ(noop(), EAGAIN);
  server_.release("NOOP");
  for (auto& outcome : queued) EXPECT_EQ(outcome.wait(), 0);
}

TEST_F(SessionPoolTest, CloseEndsWhatRunsAndWhatWaits) {
  settings_.connections = 1;
  Outcome running;
  occupy(running);
  Outcome waiting;
  pool().submit(noop_job(waiting, Priority::background));
  pool().close();
  EXPECT_EQ(running.wait(), ECANCELED);
  EXPECT_EQ(waiting.wait(), ECANCELED);
  EXPECT_EQ(noop(), ECANCELED);
  pool().close();
  EXPECT_EQ(running.calls() + waiting.calls(), 2);
  EXPECT_EQ(server_.live_connections(), 0u);
}

TEST_F(SessionPoolTest, LogsOutOfEverySessionWhenClosed) {
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  pool().close();
  EXPECT_EQ(server_.count("LOGOUT"), 2u);
}

TEST_F(SessionPoolTest, ChecksASessionThatRestedBeforeItServesAgain) {
  settings_.idle_check_after = 0s;
  ASSERT_EQ(select("A"), 0);
  EXPECT_EQ(server_.count("NOOP"), 0u);
  ASSERT_EQ(select("A"), 0);
  EXPECT_EQ(server_.count("NOOP"), 1u);
}

TEST_F(SessionPoolTest, ReplacesASessionThatBrokeWhileItRestedWithoutTheJobNoticing) {
  settings_.idle_check_after = 0s;
  ASSERT_EQ(select("A"), 0);
  server_.drop_all_sessions();
  std::atomic<int> runs{0};
  Outcome outcome;
  auto job = select_job("A", outcome);
  job.run = [&runs, inner = job.run](Session& session, const CallContext& context) {
    return ++runs, inner(session, context);
  };
  EXPECT_EQ(run(std::move(job), outcome), 0);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SessionPoolTest, ChecksTheOtherSessionsAfterOneWasLost) {
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  server_.fail_next("SEARCH");
  Outcome outcome;
  auto job = select_job("A", outcome);
  job.run = [](Session& session, const CallContext& context) -> Result<void> {
    IMAPFS_TRY(session.select({"A", false, {}, {}, {}}, context));
    IMAPFS_TRY(session.search("ALL", context));
    return {};
  };
  ASSERT_EQ(run(std::move(job), outcome), 0);
  // By itself: nobody needs it at the moment.
  EXPECT_TRUE(server_.wait_for_count("NOOP", 1));
  EXPECT_GE(listener_.doubts, 1);
}

class SilentConnections : public SessionPoolTest {
 protected:
  SilentConnections() {
    settings_.answer_patience = 200ms;
    settings_.doubt_after = 20ms;
    settings_.doubt_pause = 0s;
    settings_.give_up_after = 60ms;
  }
  PoolJob search_job(Outcome& outcome) {
    auto job = noop_job(outcome);
    job.mailbox = "A";
    job.run = [](Session& session, const CallContext& context) -> Result<void> {
      if (session.selected() != "A") IMAPFS_TRY(session.select({"A", false, {}, {}, {}}, context));
      IMAPFS_TRY(session.search("ALL", context));
      return {};
    };
    return job;
  }
  PoolJob create_job(Outcome& outcome) {
    auto job = noop_job(outcome);
    job.mailbox = "A";
    job.run = [](Session& session, const CallContext& context) { return session.create_mailbox("D", context); };
    return job;
  }
  bool wait_for_connected(std::ptrdiff_t connections) {
    const auto end = SteadyClock::now() + FakeServer::patience;
    while (SteadyClock::now() < end) {
      const auto status = pool().status();
      const auto connected = std::count_if(status.connections.begin(), status.connections.end(),
                                           [](const auto& connection) { return !connection.description.empty(); });
      if (connected == connections) return true;
      std::this_thread::yield();
    }
    return false;
  }
};

TEST_F(SilentConnections, AJobOnOneIsRunAgainOnAnother) {
  ASSERT_EQ(select("A"), 0);
  server_.silence_all_sessions();
  Outcome outcome;
  EXPECT_EQ(run(search_job(outcome), outcome), 0);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SilentConnections, ThoseThatRestAreFoundOutWithoutBeingUsed) {
  settings_.connections = 3;
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  server_.silence_all_sessions();
  Outcome outcome;
  EXPECT_EQ(run(search_job(outcome), outcome), 0);
  EXPECT_TRUE(wait_for_connected(1));
  EXPECT_GE(listener_.doubts, 1);
}

TEST_F(SilentConnections, AServerThatTakesItsTimeIsAskedOnceMoreAndThenWaitedFor) {
  ASSERT_EQ(select("A"), 0);
  server_.hold("SEARCH");
  Outcome outcome;
  pool().submit(search_job(outcome));
  ASSERT_TRUE(server_.wait_for_count("SEARCH", 2));
  // Longer than it took to give up the first.
  const auto doubts = listener_.doubts.load();
  const auto end = SteadyClock::now() + FakeServer::patience;
  while (listener_.doubts < doubts + 5 && SteadyClock::now() < end) std::this_thread::yield();
  EXPECT_EQ(outcome.calls(), 0);
  server_.release("SEARCH");
  EXPECT_EQ(outcome.wait(), 0);
  EXPECT_EQ(server_.count("SEARCH"), 2u);
}

TEST_F(SilentConnections, AChangeGoesOnWhileOthersAnswer) {
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  server_.hold("CREATE");
  Outcome outcome;
  pool().submit(create_job(outcome));
  ASSERT_TRUE(server_.wait_for_count("NOOP", 5)) << "the other is asked again and again";
  EXPECT_EQ(outcome.calls(), 0);
  server_.release("CREATE");
  EXPECT_EQ(outcome.wait(), 0);
  EXPECT_EQ(server_.count("CREATE"), 1u);
}

TEST_F(SilentConnections, AChangeIsGivenUpAndNotRepeatedWhenTheOthersAreDead) {
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  server_.silence_all_sessions();
  Outcome outcome;
  EXPECT_EQ(run(create_job(outcome), outcome), ETIMEDOUT);
  EXPECT_EQ(server_.count("CREATE"), 1u);
}

TEST_F(SilentConnections, AChangeAloneIsNotGivenUp) {
  ASSERT_EQ(select("A"), 0);
  server_.silence_all_sessions();
  Outcome outcome;
  auto job = create_job(outcome);
  job.context = CallContext::within(500ms);
  const auto began = SteadyClock::now();
  EXPECT_EQ(run(std::move(job), outcome), ETIMEDOUT);
  EXPECT_GE(SteadyClock::now() - began, 500ms);
}

TEST_F(SilentConnections, ANeighbourOfTheOwnersIsAsGoodAWitness) {
  ASSERT_EQ(select("A"), 0);
  server_.hold("CREATE");
  Outcome outcome;
  pool().submit(create_job(outcome));
  ASSERT_TRUE(server_.wait_until_held("CREATE"));
  pool().neighbour_lost(true);
  EXPECT_EQ(outcome.wait(), ETIMEDOUT);
}

TEST_F(SilentConnections, AChangeAsksAConnectionThatRestedFirst) {
  settings_.change_check_after = 0s;
  ASSERT_EQ(select("A"), 0);
  server_.silence_all_sessions();
  Outcome outcome;
  auto job = create_job(outcome);
  job.changes = true;
  EXPECT_EQ(run(std::move(job), outcome), 0);
  EXPECT_EQ(server_.count("CREATE"), 1u);
  EXPECT_EQ(server_.count("LOGIN"), 2u);
}

TEST_F(SilentConnections, ClosingWaitsForNoneOfThem) {
  settings_.answer_patience = 1h;
  ASSERT_EQ(select("A"), 0);
  server_.silence_all_sessions();
  // One that has not come to rest yet is not asked.
  const auto end = SteadyClock::now() + FakeServer::patience;
  while (server_.count("NOOP") == 0 && SteadyClock::now() < end) {
    pool().neighbour_lost(true);
    std::this_thread::yield();
  }
  ASSERT_EQ(server_.count("NOOP"), 1u);
  pool().close();
}

TEST_F(SessionPoolTest, ReportsConnectivityOncePerChange) {
  settings_.reconnect.eager_after = 0s;
  server_.refuse_connections();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(noop(), EHOSTUNREACH);
  server_.accept_connections();
  ASSERT_EQ(select("A"), 0);
  ASSERT_EQ(select("B"), 0);
  server_.refuse_connections();
  server_.drop_all_sessions();
  for (int i = 0; i < 5; ++i) EXPECT_NE(noop(), 0);
  server_.accept_connections();
  EXPECT_EQ(noop(), 0);
  pool().close();
  EXPECT_THAT(listener_.reports(), ElementsAre(false, true, false, true));
}

TEST_F(SessionPoolTest, AnAdoptedSessionMakesThePoolOnline) {
  pool().adopt(open());
  EXPECT_THAT(listener_.reports(), ElementsAre(true));
  EXPECT_TRUE(pool().status().online);
}

TEST_F(SessionPoolTest, LogsOutOfAnAdoptedSessionItHasNoPlaceFor) {
  settings_.connections = 1;
  pool().adopt(open());
  pool().adopt(open());
  EXPECT_EQ(server_.count("LOGOUT"), 1u);
  EXPECT_EQ(server_.live_connections(), 1u);
}

TEST_F(SessionPoolTest, StatusTellsWhatEachConnectionDoes) {
  ASSERT_EQ(select("A"), 0);
  server_.hold("NOOP");
  Outcome outcome;
  pool().submit(noop_job(outcome));
  ASSERT_TRUE(server_.wait_until_held("NOOP"));
  const auto status = pool().status();
  ASSERT_EQ(status.connections.size(), 2u);
  EXPECT_EQ(status.connections[0].name, "imap-1");
  EXPECT_EQ(status.connections[0].description, "fake connection 1");
  EXPECT_EQ(status.connections[0].mailbox, "A");
  EXPECT_EQ(status.connections[0].doing, "say NOOP");
  EXPECT_EQ(status.connections[1].name, "imap-2");
  EXPECT_EQ(status.connections[1].description, "");
  EXPECT_TRUE(status.online);
  EXPECT_EQ(status.queued, 0u);
  server_.release("NOOP");
  EXPECT_EQ(outcome.wait(), 0);
}

TEST_F(SessionPoolTest, CompletesEveryJobOnceUnderCancellationAndLostConnections) {
  settings_.connections = 3;
  settings_.reconnect.backoff.first = settings_.reconnect.backoff.cap = 1ms;
  constexpr int submitters = 4;
  constexpr int jobs_each = 150;
  std::atomic<int> completed{0};
  std::mutex mutex;
  std::condition_variable all_done;
  SessionPool& shared = pool();
  std::vector<std::jthread> threads;
  for (int t = 0; t < submitters; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < jobs_each; ++i) {
        std::stop_source stop;
        Outcome unused;
        auto job = noop_job(unused, i % 3 == 0 ? Priority::background : Priority::interactive);
        job.mailbox = i % 2 == 0 ? "A" : "B";
        job.context.stop = stop.get_token();
        job.done = [&](Result<void>) {
          if (++completed < submitters * jobs_each) return;
          const std::lock_guard guard(mutex);
          all_done.notify_all();
        };
        shared.submit(std::move(job));
        if (i % 5 == 0) stop.request_stop();
        if (t == 0 && i % 20 == 0) server_.drop_all_sessions();
        if (t == 1 && i % 50 == 0) server_.fail_next("LOGIN");
        if (t == 2) static_cast<void>(shared.status());
      }
    });
  }
  threads.clear();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(all_done.wait_for(lock, 60s, [&] { return completed == submitters * jobs_each; }));
  lock.unlock();
  pool().close();
  EXPECT_EQ(completed, submitters * jobs_each);
}

}  // namespace
}  // namespace imapfs::imap
