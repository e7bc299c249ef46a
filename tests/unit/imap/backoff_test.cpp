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
