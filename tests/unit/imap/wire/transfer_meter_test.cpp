#include "imap/wire/transfer_meter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;

class TransferMeterTest : public ::testing::Test {
 protected:
  /// `count` reads of 64 KiB, each of which takes `time`, and waits for `waited` of it.
  void read(int count, SteadyClock::duration time, SteadyClock::duration waited) {
    for (int i = 0; i < count; ++i) meter.read(1 << 16, waited, now += time);
  }
  SteadyClock::time_point now{1h};
  std::vector<double> rates;
  TransferMeter meter{[this](double rate) { rates.push_back(rate); }};
};

TEST_F(TransferMeterTest, TellsWhatTheConnectionGets) {
  read(6 * 16 + 1, 10ms, 9ms);
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_NEAR(rates[0], 6.55e6, 0.5e6);
}

TEST_F(TransferMeterTest, TheSlowStartOfAConnectionDoesNotCount) {
  read(2, 50ms, 50ms);
  read(14, 20ms, 20ms);
  read(5 * 16 + 1, 1ms, 1ms);
  ASSERT_EQ(rates.size(), 1u);
  EXPECT_GT(rates[0], 50e6);
}

TEST_F(TransferMeterTest, SaysNothingWhereTheDaemonIsTheLimit) {
  read(20 * 16, 10ms, 2ms);
  EXPECT_TRUE(rates.empty());
}

TEST_F(TransferMeterTest, SaysNothingOfAFewBytes) {
  for (int i = 0; i < 100; ++i) meter.read(100, 1s, now += 1s);
  EXPECT_TRUE(rates.empty());
}

TEST_F(TransferMeterTest, MeasuresAVerySlowLinkWithinSeconds) {
  read(12, 1s, 1s);
  ASSERT_FALSE(rates.empty());
  EXPECT_NEAR(rates[0], 65536, 5000);
}

}  // namespace
}  // namespace imapfs::imap
