#pragma once
// What the environment may set for a run of the model tests: IMAPFS_MODEL_SEED, IMAPFS_MODEL_STEPS.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace imapfs::testing::model {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == 0 ? otherwise : std::stoull(text);
}

/// IMAPFS_MODEL_SEED alone, or `usual`.
inline std::vector<std::uint64_t> seeds(std::vector<std::uint64_t> usual) {
  if (const auto wanted = number_from("IMAPFS_MODEL_SEED", 0); wanted != 0) return {wanted};
  return usual;
}

}  // namespace imapfs::testing::model
