#include "imapfs/base/pace.hpp"

#include <gtest/gtest.h>

namespace imapfs {
namespace {

using namespace std::chrono_literals;

constexpr SteadyClock::duration at_once{};

/// How many rounds that end at once begin within a minute.
int rounds_in_a_minute(Pace& pace, bool news) {
  int rounds = 0;
  for (SteadyClock::duration now{}; now < 1min && rounds < 10'000; ++rounds) now += pace.after(news, at_once);
  return rounds;
}

TEST(Pace, GrowsWhileNothingIsNew) {
  Pace pace({.first = 1s, .longest = 60s});
  EXPECT_EQ(pace.after(false, at_once), 1s);
  EXPECT_EQ(pace.after(false, at_once), 2s);
  EXPECT_EQ(pace.after(false, 1s), 3s) << "the round's own time counts";
  EXPECT_LE(rounds_in_a_minute(pace, false), 10);
  for (int i = 0; i < 10; ++i) (void)pace.after(false, at_once);
  EXPECT_EQ(pace.after(false, at_once), 60s);
}

TEST(Pace, CostsNothingWhereNewsCome) {
  Pace pace({.first = 1s});
  (void)pace.after(false, at_once);
  EXPECT_EQ(pace.after(true, at_once), 0s);
  EXPECT_EQ(pace.after(false, at_once), 1s) << "and the next pause is the first again";
}

TEST(Pace, LimitsNewsThatComeWithoutEnd) {
  Pace pace({.news_interval = 2s, .news_burst = 10});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.after(true, at_once), 0s);
  EXPECT_EQ(pace.after(true, at_once), 2s);
  EXPECT_LE(rounds_in_a_minute(pace, true), 31);
  EXPECT_EQ(pace.after(true, 2s), 0s) << "as often as that is no hurry";
  (void)pace.after(false, 1min);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.after(true, at_once), 0s) << "after a rest there may be another burst";
}

TEST(Pace, CostsNothingWhereRoundsTakeTheirTime) {
  Pace pace({.first = 1s, .unhurried = 4s});
  (void)pace.after(false, at_once);
  EXPECT_EQ(pace.after(false, 4s), 0s);
}

TEST(Pace, LeavesSomeRoundsFree) {
  Pace pace({.free_rounds = 2, .first = 1s});
  EXPECT_EQ(pace.after(false, at_once), 0s);
  EXPECT_EQ(pace.after(false, at_once), 0s);
  EXPECT_EQ(pace.after(false, at_once), 1s);
}

TEST(Pace, IsNeverShorterThanTheFirst) {
  Pace pace({.first = 1s, .longest = 0s});
  EXPECT_EQ(pace.after(false, at_once), 1s);
  EXPECT_EQ(pace.after(false, at_once), 1s);
}

}  // namespace
}  // namespace imapfs
