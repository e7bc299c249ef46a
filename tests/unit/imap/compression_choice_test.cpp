#include "imapfs/imap/compression_choice.hpp"

#include <gtest/gtest.h>

namespace imapfs::imap {
namespace {

using namespace std::chrono_literals;

constexpr double slow = 2e6;
constexpr double fast = 100e6;
/// What a server gets done that compresses, on a fast link.
constexpr double deflating = 35e6;

class CompressionChoiceTest : public ::testing::Test {
 protected:
  [[nodiscard]] CompressionChoice make(std::optional<bool> remembered = std::nullopt) {
    return CompressionChoice(CompressionMode::automatic, remembered, [this] { return now; });
  }
  SteadyClock::time_point now{1h};
};

TEST_F(CompressionChoiceTest, BeginsPlainAndCompressesOnASlowLink) {
  auto choice = make();
  EXPECT_FALSE(choice.wanted());
  choice.measured(false, slow);
  EXPECT_TRUE(choice.wanted());
}

TEST_F(CompressionChoiceTest, LeavesAFastLinkPlain) {
  auto choice = make();
  choice.measured(false, fast);
  EXPECT_FALSE(choice.wanted());
}

TEST_F(CompressionChoiceTest, KeepsWhatGotMore) {
  auto choice = make();
  choice.measured(false, slow);
  choice.measured(true, 2 * slow);
  EXPECT_TRUE(choice.wanted());
  choice.measured(true, slow / 2);
  EXPECT_FALSE(choice.wanted()) << "the server is slower when it compresses";
  choice.measured(false, slow);
  EXPECT_FALSE(choice.wanted()) << "that was tried";
}

TEST_F(CompressionChoiceTest, BeginsAsRemembered) {
  auto choice = make(true);
  EXPECT_TRUE(choice.wanted());
  choice.measured(true, slow);
  EXPECT_TRUE(choice.wanted());
}

TEST_F(CompressionChoiceTest, TriesAPlainConnectionWhereTheLinkMayHaveBecomeFast) {
  auto choice = make(true);
  choice.measured(true, deflating);
  EXPECT_FALSE(choice.wanted());
  choice.measured(false, fast);
  EXPECT_FALSE(choice.wanted());
}

TEST_F(CompressionChoiceTest, DoesNotGoToAndFro) {
  auto choice = make();
  choice.measured(false, 12e6);
  choice.measured(true, 25e6);
  EXPECT_TRUE(choice.wanted()) << "a link of 100 Mbit/s: plain is known to be slower";
  now += CompressionChoice::remembered_for;
  choice.measured(true, 25e6);
  EXPECT_FALSE(choice.wanted()) << "that was long ago";
  choice.measured(false, 12e6);
  EXPECT_TRUE(choice.wanted());
}

TEST_F(CompressionChoiceTest, YesAndNoAreNotQuestioned) {
  CompressionChoice always(CompressionMode::yes);
  always.measured(true, slow / 100);
  always.measured(false, fast);
  EXPECT_TRUE(always.wanted());
  CompressionChoice never(CompressionMode::no, true);
  never.measured(false, slow);
  EXPECT_FALSE(never.wanted());
}

}  // namespace
}  // namespace imapfs::imap
