#include "app/directories.hpp"

#include <algorithm>
#include <filesystem>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/store/metadata_store.hpp"

namespace imapfs::app {
namespace {

/// What exists of it without links, and the rest as it is written.
std::filesystem::path resolved(const std::string& path) {
  std::error_code ignored;
  auto whole = std::filesystem::weakly_canonical(path + "/.", ignored).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

/// Both without links.
bool is_in(const std::filesystem::path& directory, const std::filesystem::path& path) {
  return std::mismatch(directory.begin(), directory.end(), path.begin(), path.end()).first == directory.end();
}

}  // namespace

std::string cache_root(const Options& options) {
  return options.cache_dir.empty() ? store::default_cache_root() : options.cache_dir;
}

std::string state_root(const Options& options) {
  return options.state_dir.empty() ? store::default_state_root() : options.state_dir;
}

Result<void> check_roots(const Options& options) {
  const auto cache = cache_root(options);
  const auto state = state_root(options);
  if (!options.cache || options.read_only || cache.empty() || state.empty()) return {};
  std::error_code missing;
  if (std::filesystem::equivalent(cache, state, missing) || is_in(resolved(cache), resolved(state))) {
    return fail(
        EINVAL, Scope::account, Retry::never,
        "the journal cannot be in the directory of the cache, {}, which may be removed at any time: give another "
        "one with cache-dir= or state-dir=",
        telemetry::printable(cache));
  }
  return {};
}

}  // namespace imapfs::app
