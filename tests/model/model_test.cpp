// The model test: random operations of a user, another client's operations and faults, against a reference tree in
// memory.
//
// IMAPFS_MODEL_SEED runs another seed (its operations and choices; timing is the machine's) instead of those that are
// always run, IMAPFS_MODEL_STEPS makes the runs longer, IMAPFS_MODEL_TRACE is the daemon's --trace.
#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "settings.hpp"
#include "world.hpp"

namespace imapfs::testing {
namespace {

class Model : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Model, ::testing::ValuesIn(model::seeds({1, 2, 3, 4})),
                         ::testing::PrintToStringParamName());

TEST_P(Model, RandomOperationsAndFaultsLoseNothingAndDoubleNothing) {
  if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
  const auto seed = GetParam();
  const auto steps = model::number_from("IMAPFS_MODEL_STEPS", 500);
  model::World world(seed);
  std::mt19937_64 random(seed);
  std::uint64_t done = 0;
  std::uint64_t checkpoints = 0;
  while (done < steps) {
    const auto burst = 1 + random() % 60;
    for (std::uint64_t i = 0; i < burst && done < steps && world.wrong().empty(); ++i, ++done) world.step();
    const auto found = world.wrong() + world.checkpoint();
    ++checkpoints;
    ASSERT_EQ(found, "") << "after " << done << " steps with IMAPFS_MODEL_SEED=" << seed << "; the last steps:\n"
                         << world.history() << "\n--- status and log of the daemon ---\n"
                         << world.log();
  }
  std::printf("%llu steps, %llu checkpoints, %zu operations that failed\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(checkpoints), world.failures());
}

}  // namespace
}  // namespace imapfs::testing
