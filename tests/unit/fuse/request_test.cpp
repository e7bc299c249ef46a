// A request is answered once, by whoever comes first.
#include "imapfs/fuse/request.hpp"

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

using namespace std::chrono_literals;

class Requests : public ::testing::Test {
 protected:
  void SetUp() override {
    auto environment = std::make_shared<Request::Dependencies>();
    environment->registry = registry_;
    environment->scheduler = &scheduler_;
    environment->path_of = [](vfs::NodeId) { return std::string("INBOX"); };
    environment->reply_error = [this](fuse_req*, int errnum) {
      errors_.with_lock([&](auto& list) { list.push_back(errnum); });
      replied_.release();
      return 0;
    };
    environment->make_interruptible = [this](fuse_req*, vfs::RequestId id) {
      if (during_start_) during_start_(id);
    };
    environment->being_killed = [this](pid_t thread) {
      looked_at_ = thread;
      ++looks_;
      return killed_.load();
    };
    dependencies_ = environment;
  }
  std::shared_ptr<Request> start() {
    return Request::start(dependencies_, {"lookup", vfs::NodeId{7}, "name.eml", {.thread = 11, .uid = 12}}, nullptr);
  }
  std::shared_ptr<Request> start_in_any_case() {
    return Request::start(dependencies_, {"flush", vfs::NodeId{7}, "", {.thread = 11, .uid = 12}, true}, nullptr);
  }
  bool succeed(Request& request, int outcome = 0) {
    return request.succeed([&](fuse_req*) {
      ++successes_;
      return outcome;
    });
  }
  std::vector<int> errors() { return *errors_.lock(); }

  struct Signal {
    std::mutex mutex;
    std::condition_variable arrived;
    int count = 0;
    void release() {
      const std::lock_guard guard(mutex);
      ++count;
      arrived.notify_all();
    }
    bool wait() {
      std::unique_lock lock(mutex);
      return arrived.wait_for(lock, 20s, [&] { return count > 0; });
    }
  };

  Scheduler scheduler_;
  std::shared_ptr<RequestRegistry> registry_ = std::make_shared<RequestRegistry>();
  std::shared_ptr<const Request::Dependencies> dependencies_;
  Guarded<std::vector<int>> errors_;
  Signal replied_;
  std::function<void(vfs::RequestId)> during_start_;
  std::atomic<int> successes_ = 0;
  std::atomic<bool> killed_ = false;
  std::atomic<pid_t> looked_at_ = 0;
  std::atomic<int> looks_ = 0;
};

TEST_F(Requests, OnlyTheFirstAnswerReachesTheKernel) {
  const auto request = start();
  EXPECT_TRUE(succeed(*request));
  EXPECT_FALSE(succeed(*request));
  EXPECT_FALSE(request->fail({ENOENT, Scope::request, Retry::never, "late"}));
  EXPECT_EQ(successes_, 1);
  EXPECT_TRUE(errors().empty());
}

TEST_F(Requests, OfManyThreadsThatAnswerOneWins) {
  for (int round = 0; round < 200; ++round) {
    const auto request = start();
    std::atomic<int> winners = 0;
    {
      std::vector<std::jthread> threads;
      for (int index = 0; index < 4; ++index)
        threads.emplace_back([&] { winners += request->fail({EROFS, Scope::request, Retry::never, "race"}) ? 1 : 0; });
    }
    ASSERT_EQ(winners, 1);
  }
  EXPECT_EQ(errors().size(), 200u);
}

TEST_F(Requests, ARequestEverybodyForgotIsAnsweredWithEio) {
  start().reset();
  EXPECT_EQ(errors(), std::vector{EIO});
  EXPECT_TRUE(registry_->summaries().empty());
}

TEST_F(Requests, AnAnswerTheKernelNoLongerWantsIsReportedToItsGiver) {
  const auto request = start();
  EXPECT_FALSE(succeed(*request, -ENOENT));
  EXPECT_TRUE(request->answered());
}

TEST_F(Requests, TheDeadlineAnswersWithEtimedout) {
  const auto request = start();
  request->arm_deadline(1ms);
  ASSERT_TRUE(replied_.wait());
  EXPECT_EQ(errors(), std::vector{ETIMEDOUT});
  EXPECT_FALSE(succeed(*request));
}

TEST_F(Requests, AnAnswerInTimeCancelsTheDeadline) {
  const auto request = start();
  request->arm_deadline(1h);
  EXPECT_TRUE(succeed(*request));
  const auto late = start();
  succeed(*late);
  late->arm_deadline(0ms);
  // Jobs run in order: when this one has run, a deadline of now would have, too.
  std::promise<void> reached;
  scheduler_.after(5ms, [&] { reached.set_value(); });
  reached.get_future().wait();
  EXPECT_TRUE(errors().empty());
}

TEST_F(Requests, WhatGetsOnHasItsDeadlineAnew) {
  const auto request = start();
  std::atomic<std::uint64_t> octets = 0;
  std::atomic<int> asked = 0;
  request->arm_deadline(5ms, [&] {
    // Gets on for three looks, and then no more.
    if (++asked <= 6) ++octets;
    return octets.load();
  });
  ASSERT_TRUE(replied_.wait());
  EXPECT_EQ(errors(), std::vector{ETIMEDOUT});
  EXPECT_GT(asked, 6);
}

TEST_F(Requests, ADeadlineKeepsNoRequestAlive) {
  auto request = start();
  request->arm_deadline(1h);
  request.reset();
  EXPECT_EQ(errors(), std::vector{EIO});
}

TEST_F(Requests, AnInterruptAnswersWithEintr) {
  killed_ = true;
  const auto request = start();
  registry_->find(request->caller().request)->interrupt();
  EXPECT_EQ(errors(), std::vector{EINTR});
  EXPECT_EQ(registry_->find(request->caller().request), nullptr);
  EXPECT_EQ(looked_at_, 11);
  EXPECT_TRUE(request->failed());
}

TEST_F(Requests, ASignalThatTheCallerHandlesChangesNothing) {
  const auto request = start();
  request->interrupt();
  EXPECT_EQ(looks_, 1);
  EXPECT_FALSE(request->answered());
  EXPECT_TRUE(succeed(*request));
  EXPECT_FALSE(request->failed());
  EXPECT_TRUE(errors().empty());
}

TEST_F(Requests, ACallerThatIsKilledAfterAHandledSignalIsAnsweredThoughNoInterruptComesAgain) {
  const auto request = start();
  request->interrupt();
  killed_ = true;
  ASSERT_TRUE(replied_.wait());
  EXPECT_EQ(errors(), std::vector{EINTR});
  EXPECT_FALSE(succeed(*request));
}

TEST_F(Requests, ACallerIsNoLongerLookedAtOnceItHasItsAnswer) {
  const auto request = start();
  request->interrupt();
  EXPECT_TRUE(succeed(*request));
  killed_ = true;
  std::promise<void> later;
  scheduler_.after(2 * Request::look_again, [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(looks_, 1);
  EXPECT_TRUE(errors().empty());
}

TEST_F(Requests, ASignalDuringTheStartIsNotForgotten) {
  during_start_ = [&](vfs::RequestId id) { registry_->find(id)->interrupt(); };
  const auto request = start();
  EXPECT_FALSE(request->answered());
  killed_ = true;
  ASSERT_TRUE(replied_.wait());
  EXPECT_EQ(errors(), std::vector{EINTR});
}

TEST_F(Requests, OneThatBeginsInAnyCaseHeedsAnInterruptOnceItHasBegun) {
  killed_ = true;
  const auto request = start_in_any_case();
  request->interrupt();
  EXPECT_FALSE(request->answered()) << "the RELEASE that follows an answer would overtake it";
  request->heed_interrupts();
  EXPECT_EQ(errors(), std::vector{EINTR});
}

TEST_F(Requests, OneThatBeginsInAnyCaseHeedsInterruptsThatComeLater) {
  killed_ = true;
  const auto request = start_in_any_case();
  request->heed_interrupts();
  EXPECT_TRUE(errors().empty());
  request->interrupt();
  EXPECT_EQ(errors(), std::vector{EINTR});
}

TEST_F(Requests, AnInterruptDuringTheStartIsNotLostAndAnswersOnlyAfterwards) {
  killed_ = true;
  during_start_ = [&](vfs::RequestId id) {
    registry_->find(id)->interrupt();
    EXPECT_TRUE(errors().empty());
  };
  EXPECT_TRUE(start()->answered());
  EXPECT_EQ(errors(), std::vector{EINTR});
}

TEST_F(Requests, TheEndOfTheMountFailsWhatIsInFlightAndWhatStillComes) {
  const auto early = start();
  registry_->refuse_all();
  EXPECT_TRUE(early->answered());
  EXPECT_TRUE(start()->answered());
  during_start_ = [&](vfs::RequestId) { registry_->refuse_all(); };
  EXPECT_TRUE(start()->answered());
  EXPECT_EQ(errors(), (std::vector{ENOTCONN, ENOTCONN, ENOTCONN}));
  registry_->wait_until_idle();
}

TEST_F(Requests, TheMountWaitsForAnAnswerThatIsBeingWritten) {
  const auto request = start();
  std::promise<void> writing, go_on;
  auto answering = std::async(std::launch::async, [&] {
    return request->succeed([&](fuse_req*) {
      writing.set_value();
      go_on.get_future().wait();
      return 0;
    });
  });
  writing.get_future().wait();
  registry_->refuse_all();
  auto idle = std::async(std::launch::async, [&] { registry_->wait_until_idle(); });
  EXPECT_EQ(idle.wait_for(20ms), std::future_status::timeout);
  go_on.set_value();
  idle.wait();
  EXPECT_TRUE(answering.get());
  EXPECT_TRUE(errors().empty());
}

TEST_F(Requests, TheRegistryShowsWhoWaitsForWhat) {
  const auto first = start();
  const auto second = start();
  const auto summaries = registry_->summaries();
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_LT(summaries[0].id, summaries[1].id);
  EXPECT_EQ(summaries[0].path, "INBOX/name.eml");
  const auto json = registry_->describe();
  EXPECT_EQ(json[0]["operation"], "lookup");
  EXPECT_EQ(json[0]["thread"], 11);
  EXPECT_EQ(json[0]["uid"], 12);
  succeed(*first);
  EXPECT_EQ(registry_->summaries().size(), 1u);
}

TEST_F(Requests, FailuresAreCountedAndSeriousOnesRemembered) {
  const auto before = telemetry::counters().fuse_errors.load();
  start()->fail({ENOENT, Scope::request, Retry::never, "no such message"});
  start()->fail({EHOSTUNREACH, Scope::session, Retry::later, "connect to \x1b[2J host"});
  EXPECT_EQ(telemetry::counters().fuse_errors.load() - before, 2u);
  const auto remembered = telemetry::recent_errors();
  ASSERT_FALSE(remembered.empty());
  EXPECT_NE(remembered.back().second.find("lookup INBOX/name.eml"), std::string::npos);
  EXPECT_EQ(remembered.back().second.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace imapfs::fuse
