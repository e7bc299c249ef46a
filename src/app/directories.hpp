#pragma once
// Where the cache and the journal are, by options and environment.

#include <string>

#include "app/options.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::app {

/// Empty if neither the option nor the environment names one.
[[nodiscard]] std::string cache_root(const Options& options);
[[nodiscard]] std::string state_root(const Options& options);

/// EINVAL if both are the same directory, by whatever names: a cache may be removed at any time, a journal may not, and
/// the account's directory could be locked only once.
Result<void> check_roots(const Options& options);

}  // namespace imapfs::app
