// Durability: the connection is cut, and the daemon is killed, at the bytes of the dialogue of each change. After the
// recovery each message exists at least once and, because Dovecot has UIDPLUS, exactly once; what a user was told is
// done, is done.
//
// IMAPFS_CUT_STRIDE=1 cuts at every byte; by default at every fourth, at the first and last of the dialogue, and around
// the ends of lines. The positions are shared out among a few mounts that work side by side, because most of the time
// is waiting.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "support/durability_rig.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;
using Trap = FaultProxy::Trap;
using Direction = FaultProxy::Direction;

constexpr int rigs_at_once = 4;
constexpr int rehearsals = 2;  ///< numbers that are used to learn the dialogue

std::uint64_t stride() {
  const char* text = std::getenv("IMAPFS_CUT_STRIDE");
  return text == nullptr ? 4 : std::max(1UL, std::stoul(text));
}

/// Every `step`-th byte of a stream, the first and the last, and what surrounds the ends of lines.
std::set<std::uint64_t> places_in(const std::string& stream, std::uint64_t step) {
  std::set<std::uint64_t> places;
  for (std::uint64_t place = 0; place <= stream.size(); place += step) places.insert(place);
  for (auto end = stream.find("\r\n"); end != std::string::npos; end = stream.find("\r\n", end + 1))
    for (const std::uint64_t place : {end, end + 1, end + 2}) places.insert(place);
  places.insert(stream.size());
  return places;
}

struct Outcome {
  int number;
  int result;
  Trap trap;
  bool sprung;
};

class Durability : public ::testing::TestWithParam<DurableOperation> {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
    // Without NOTIFY nothing but the operation crosses the wire.
    dovecot_ = std::make_unique<Dovecot>(std::vector<std::string>{
        "--no-list-index", "--no-tls",
        "--capability=IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE UIDPLUS MOVE CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS "
        "SPECIAL-USE ESEARCH UNSELECT MULTIAPPEND CHILDREN"});
  }

  /// The traps for an operation: the bytes of its dialogue in both directions.
  std::vector<Trap> learn_traps(std::uint64_t step, Trap::Action action) {
    DurabilityRig rig(*dovecot_, GetParam(), "rigs", rehearsals);
    std::vector<Trap> traps;
    for (int number = 0; number < rehearsals; ++number) {
      rig.warm();
      rig.proxy().record(true);
      EXPECT_EQ(GetParam().perform(rig, number), 0) << rig.mount().log();
      EXPECT_TRUE(rig.drain());
    }
    for (const auto direction : {Direction::from_client, Direction::from_server})
      for (const auto place : places_in(rig.proxy().recorded(direction), step))
        traps.push_back({direction, place, action});
    dialogue_ = rig.proxy().recorded(Direction::from_client) + rig.proxy().recorded(Direction::from_server);
    return traps;
  }

  /// Deals the traps out among rigs; `attempt` performs the operation of one number with one trap.
  void run(const std::vector<Trap>& traps, const std::function<Outcome(DurabilityRig&, int, const Trap&)>& attempt) {
    ASSERT_FALSE(traps.empty());
    std::vector<std::thread> threads;
    for (int which = 0; which < rigs_at_once; ++which)
      threads.emplace_back([&, which] {
        try {
          std::vector<Trap> mine;
          for (std::size_t i = static_cast<std::size_t>(which); i < traps.size(); i += rigs_at_once)
            mine.push_back(traps[i]);
          run_rig("rig" + std::to_string(which), mine, attempt);
        } catch (const std::exception& error) {
          ADD_FAILURE() << "rig " << which << ": " << error.what();
        }
      });
    for (auto& thread : threads) thread.join();
    std::printf("%zu places of %zu bytes, %d sprung, %d told the user\n", traps.size(), dialogue_.size(), sprung_,
                told_);
    EXPECT_GE(sprung_, static_cast<int>(traps.size()) / 2) << "the dialogue is not the one that was learned:\n"
                                                           << dialogue_;
  }

  void run_rig(const std::string& name, const std::vector<Trap>& traps,
               const std::function<Outcome(DurabilityRig&, int, const Trap&)>& attempt) {
    DurabilityRig rig(*dovecot_, GetParam(), name, static_cast<int>(traps.size()));
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < traps.size(); ++i) {
      rig.warm();
      outcomes.push_back(attempt(rig, static_cast<int>(i), traps[i]));
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_TRUE(rig.drain()) << "what was accepted does not end";
    classify(rig, outcomes);
  }

  void classify(DurabilityRig& rig, const std::vector<Outcome>& outcomes) {
    int wrong = 0;
    for (const auto& outcome : outcomes) {
      const auto complaint = GetParam().classify(rig, outcome.number, outcome.result);
      const std::lock_guard guard(mutex_);
      sprung_ += outcome.sprung ? 1 : 0;
      told_ += outcome.result != 0 ? 1 : 0;
      if (complaint.empty()) continue;
      ++wrong;
      ADD_FAILURE() << GetParam().name << " number " << outcome.number << " of " << rig.source() << ", byte "
                    << outcome.trap.bytes << " from the "
                    << (outcome.trap.direction == Direction::from_client ? "client" : "server")
                    << ", the user was told \"" << std::strerror(outcome.result) << "\": " << complaint;
    }
    const auto disagreement = rig.disagreement();
    const std::lock_guard guard(mutex_);
    EXPECT_EQ(disagreement, "");
    if (wrong > 0 || !disagreement.empty())
      std::fprintf(stderr, "--- log of %s ---\n%s\n", rig.source().c_str(), rig.mount().log().c_str());
  }

  std::unique_ptr<Dovecot> dovecot_;
  std::string dialogue_;
  std::mutex mutex_;
  int sprung_ = 0;
  int told_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Operations, Durability, ::testing::ValuesIn(durable_operations()),
                         [](const auto& operation) { return std::string(operation.param.name); });

TEST_P(Durability, NoCutOfTheConnectionLosesOrDoubles) {
  run(learn_traps(stride(), Trap::Action::cut), [](DurabilityRig& rig, int number, const Trap& trap) {
    rig.proxy().set_trap(trap);
    const int result = GetParam().perform(rig, number);
    EXPECT_TRUE(rig.drain()) << "byte " << trap.bytes;
    const bool sprung = rig.proxy().wait_for_trap(0ms);
    rig.proxy().set_trap(std::nullopt);
    return Outcome{number, result, trap, sprung};
  });
}

TEST_P(Durability, KillingTheDaemonLosesAndDoublesNothing) {
  run(learn_traps(stride() * 8, Trap::Action::hold), [](DurabilityRig& rig, int number, const Trap& trap) {
    rig.proxy().set_trap(trap);
    auto performed = std::async(std::launch::async, [&] { return GetParam().perform(rig, number); });
    const bool sprung = rig.proxy().wait_for_trap(2s);
    rig.mount().kill_daemon();
    const int result = performed.get();
    rig.proxy().release();
    rig.mount().mount();
    return Outcome{number, result, trap, sprung};
  });
}

}  // namespace
}  // namespace imapfs::testing
