#pragma once
// Going to the background so that the command returns only when the mount is live, or with the reason why it is not.
//
// detach() forks. The parent waits for the child's report, prints a failure as one line on standard error and returns
// the exit status. The child goes on in a session of its own, without descriptors above 2 of the caller's; it must call
// report_success() or report_failure() once. If it dies without either, the parent says so. SIGTERM, SIGINT and SIGHUP
// to the parent are passed on to the child. No thread may exist before detach().

#include <optional>
#include <string>

#include "imapfs/base/result.hpp"

namespace imapfs::app {

class Startup {
 public:
  /// In the foreground there is no fork: reports go straight to standard error.
  explicit Startup(bool foreground) : foreground_(foreground) {}
  ~Startup();
  Startup(const Startup&) = delete;
  Startup& operator=(const Startup&) = delete;

  /// The exit status in the parent; nothing in the child (and in the foreground).
  Result<std::optional<int>> detach();
  /// The parent exits with 0. The child gives up standard error too.
  void report_success();
  /// The parent prints "imapfs: <sentence>" and exits with 1.
  void report_failure(const std::string& sentence);

 private:
  int wait_for_child(int child);
  const bool foreground_;
  int report_descriptor_ = -1;
};

}  // namespace imapfs::app
