// The model test: random operations of a user, another client's operations and faults, against a reference tree in memory.
//
// IMAPFS_MODEL_SEED repeats a run (its operations and choices; timing is the machine's), IMAPFS_MODEL_STEPS makes it longer,
// IMAPFS_MODEL_SECONDS bounds it. The seed is printed at the start.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "model/world.hpp"

namespace imapfs::testing {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == 0 ? otherwise : std::stoull(text);
}

TEST(Model, RandomOperationsAndFaultsLoseNothingAndDoubleNothing) {
  if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
  const auto seed = number_from("IMAPFS_MODEL_SEED", std::random_device{}());
  const auto steps = number_from("IMAPFS_MODEL_STEPS", 4000);
  const auto seconds = number_from("IMAPFS_MODEL_SECONDS", 120);
  std::printf("IMAPFS_MODEL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  model::World world(seed);
  std::mt19937_64 random(seed);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::uint64_t done = 0;
  std::uint64_t checkpoints = 0;
  while (done < steps && std::chrono::steady_clock::now() < until) {
    const auto burst = 1 + random() % 60;
    for (std::uint64_t i = 0; i < burst && done < steps && world.wrong().empty(); ++i, ++done) world.step();
    const auto found = world.wrong() + world.checkpoint();
    ++checkpoints;
    ASSERT_EQ(found, "") << "after " << done << " steps with IMAPFS_MODEL_SEED=" << seed << "; the last steps:\n"
                         << world.history() << "\n--- log of the daemon ---\n"
                         << world.log();
  }
  std::printf("%llu steps, %llu checkpoints, %zu operations that failed\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(checkpoints), world.failures());
}

}  // namespace
}  // namespace imapfs::testing
