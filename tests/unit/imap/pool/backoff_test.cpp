#include "imapfs/imap/backoff.hpp"

#include <gtest/gtest.h>

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;

const Error unreachable{EHOSTUNREACH, Scope::session, Retry::later, "connect: no route to host"};
const Error login_refused{EACCES, Scope::account, Retry::never, "LOGIN: authentication failed"};
const Error throttled{EAGAIN, Scope::session, Retry::later,
                      "FETCH: Request is throttled. Suggested Backoff Time: 300000 milliseconds"};

Backoff with_random(double random) {
  return Backoff({}, [random] { return random; });
}

TEST(Backoff, DoublesFromTheFirstDelayToTheCap) {
  auto backoff = with_random(0.5);  // no jitter
  for (const auto expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) EXPECT_EQ(backoff.next(unreachable), expected);
}

TEST(Backoff, SpreadsEachDelayByAQuarterAndNeverBeyondTheCap) {
  auto early = with_random(0.0);
  auto late = with_random(0.999999);
  EXPECT_EQ(early.next(unreachable), 750ms);
  EXPECT_GT(late.next(unreachable), 1249ms);
  for (int i = 0; i < 10; ++i) EXPECT_LE(late.next(unreachable), 60s);
  for (int i = 0; i < 10; ++i) static_cast<void>(early.next(unreachable));
  EXPECT_EQ(early.next(unreachable), 45s);
}

TEST(Backoff, DifferentObjectsDoNotRetryInStep) {
  Backoff first({});
  bool differs = false;
  for (int i = 0; i < 20 && !differs; ++i) {
    Backoff other({});
    differs = first.next(unreachable) != other.next(unreachable);
    first.reset();
  }
  EXPECT_TRUE(differs);
}

TEST(Backoff, StartsAgainAfterASuccess) {
  auto backoff = with_random(0.5);
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next(unreachable));
  backoff.reset();
  EXPECT_EQ(backoff.next(unreachable), 1s);
}

TEST(Backoff, SurvivesVeryManyFailures) {
  auto backoff = with_random(0.5);
  for (int i = 0; i < 10'000; ++i) static_cast<void>(backoff.next(unreachable));
  EXPECT_EQ(backoff.next(unreachable), 60s);
}

TEST(Backoff, WaitsAtLeastAsLongAsTheServerAsked) {
  auto backoff = with_random(0.0);
  EXPECT_EQ(backoff.next(throttled), 300s);
}

TEST(Backoff, DoesNotLetAServerPutItToSleepForEver) {
  auto backoff = with_random(0.0);
  const Error absurd{EAGAIN, Scope::session, Retry::later, "Suggested Backoff Time: 4000000000 milliseconds"};
  EXPECT_LE(backoff.next(absurd), 15min);
}

TEST(Backoff, RepeatsARefusedLoginOnlyAfterMinutes) {
  auto backoff = with_random(0.0);
  EXPECT_EQ(backoff.next(login_refused), 5min);
}

class ConnectGateTest : public ::testing::Test {
 protected:
  ConnectGate gate_{ConnectGate::Settings{}};
  Deadline start_ = SteadyClock::now();
};

TEST_F(ConnectGateTest, IsOpenUntilAnAttemptFails) {
  EXPECT_TRUE(gate_.try_enter(false, start_));
  EXPECT_TRUE(gate_.try_enter(false, start_));
  gate_.failed(unreachable, start_, start_);
  EXPECT_TRUE(gate_.failing());
  EXPECT_FALSE(gate_.try_enter(false, start_));
}

TEST_F(ConnectGateTest, LetsOneAttemptThroughPerDelay) {
  gate_.failed(unreachable, start_, start_);
  EXPECT_FALSE(gate_.try_enter(false, start_ + 700ms));
  EXPECT_TRUE(gate_.try_enter(false, start_ + 1300ms));
  EXPECT_FALSE(gate_.try_enter(false, start_ + 1301ms));
}

TEST_F(ConnectGateTest, LetsAPersonTryOnceASecond) {
  auto now = start_;
  for (int i = 0; i < 8; ++i) {
    now += 1min;
    gate_.failed(unreachable, now, now);
  }  // the delay is now most of a minute
  ASSERT_TRUE(gate_.try_enter(false, now += 61s));
  gate_.failed(unreachable, now, now);
  EXPECT_FALSE(gate_.try_enter(true, now + 500ms));
  EXPECT_FALSE(gate_.try_enter(false, now + 1100ms));
  EXPECT_TRUE(gate_.try_enter(true, now + 1100ms));
  EXPECT_FALSE(gate_.try_enter(true, now + 1200ms));
  EXPECT_TRUE(gate_.try_enter(true, now + 2100ms));
}

TEST_F(ConnectGateTest, MakesAPersonWaitTooAfterARefusedLogin) {
  gate_.failed(login_refused, start_, start_);
  EXPECT_FALSE(gate_.try_enter(true, start_ + 60s));
  EXPECT_TRUE(gate_.try_enter(true, start_ + 10min));
}

TEST_F(ConnectGateTest, MakesAPersonWaitTooWhenTheServerAskedForIt) {
  gate_.asked_to_wait(throttled, start_);
  EXPECT_FALSE(gate_.try_enter(true, start_ + 299s));
  EXPECT_TRUE(gate_.try_enter(true, start_ + 376s));
}

TEST_F(ConnectGateTest, GivesUpWhenAttemptsHaveFailedForTheGrace) {
  EXPECT_FALSE(gate_.gives_up(start_));
  gate_.failed(unreachable, start_, start_ + 1s);
  EXPECT_FALSE(gate_.gives_up(start_ + 14s));
  gate_.failed(unreachable, start_ + 8s, start_ + 9s);
  EXPECT_TRUE(gate_.gives_up(start_ + 15s));
  gate_.succeeded();
  EXPECT_FALSE(gate_.gives_up(start_ + 15s));
  gate_.failed(unreachable, start_ + 20s, start_ + 21s);
  EXPECT_FALSE(gate_.gives_up(start_ + 34s));
}

TEST_F(ConnectGateTest, GivesUpAtOnceWhereWaitingIsOfNoUse) {
  gate_.failed(login_refused, start_, start_);
  EXPECT_TRUE(gate_.gives_up(start_));
  gate_.forget();
  EXPECT_FALSE(gate_.gives_up(start_)) << "the user has asked for another attempt";
}

TEST_F(ConnectGateTest, DoesNotHammerAServerThatIsBusyAndStillWaitsForIt) {
  const Error busy{EAGAIN, Scope::session, Retry::later, "login refused by server: NO [UNAVAILABLE] Later"};
  for (int i = 0; i < 4; ++i) gate_.failed(busy, start_ + i * 1s, start_ + i * 1s);  // the delay is 8 s
  EXPECT_FALSE(gate_.try_enter(true, start_ + 6s));
  EXPECT_TRUE(gate_.try_enter(true, start_ + 14s));
  EXPECT_FALSE(gate_.gives_up(start_ + 14s));
}

TEST_F(ConnectGateTest, SaysWhenTheNextAttemptMayBe) {
  gate_.failed(unreachable, start_, start_);
  gate_.failed(unreachable, start_, start_ + 1s);
  ASSERT_TRUE(gate_.try_enter(true, start_ + 3s));
  gate_.failed(unreachable, start_ + 3s, start_ + 4s);
  for (const bool eager : {true, false}) {
    const auto when = gate_.next_try(eager);
    EXPECT_FALSE(gate_.try_enter(eager, when - 1ns));
  }
  EXPECT_EQ(gate_.next_try(true), start_ + 5s);
  EXPECT_TRUE(gate_.try_enter(true, gate_.next_try(true)));
}

TEST_F(ConnectGateTest, CountsAttemptsThatRanSideBySideOnce) {
  gate_.failed(unreachable, start_, start_ + 10ms);
  gate_.failed(unreachable, start_, start_ + 11ms);
  gate_.failed(unreachable, start_, start_ + 12ms);
  EXPECT_TRUE(gate_.try_enter(false, start_ + 1300ms));  // 1 s with jitter, not 4 s
}

TEST_F(ConnectGateTest, ForgetsTheDelayWhenToldTo) {
  for (int i = 0; i < 8; ++i) gate_.failed(unreachable, start_ + i * 1min, start_ + i * 1min);
  EXPECT_FALSE(gate_.try_enter(false, start_ + 7min));
  gate_.forget();
  EXPECT_TRUE(gate_.try_enter(false, start_ + 7min));
  gate_.succeeded();
  EXPECT_FALSE(gate_.failing());
}

}  // namespace
}  // namespace imapfs::imap
