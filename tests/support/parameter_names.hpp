#pragma once
// Names for the parameters of tests, so that a test is called the same in every run and by every tool. Values without a
// name would be called by their bytes, addresses among them.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace imapfs::testing {

/// The last argument of INSTANTIATE_TEST_SUITE_P: one name for each value, of letters and digits. Of values that are
/// combined the last changes first.
inline auto names_in_order(std::vector<std::string> names) {
  return [names = std::move(names)](const auto& tested) { return names.at(tested.index); };
}

}  // namespace imapfs::testing
