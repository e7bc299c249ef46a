#pragma once
// Where the password comes from: a file, a command, a systemd credential, netrc, or the terminal. Never argv, never the
// log.
//
// The first source that is configured or exists is used; a configured source that fails is an Error (EACCES with a
// sentence), not a reason to try the next. get() may be called from any thread and again at each login: files and
// commands are read again, what was typed is kept in memory and wiped when the source goes.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "app/options.hpp"
#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::app {

class PasswordSource {
 public:
  virtual ~PasswordSource() = default;
  virtual Result<std::string> get(const CallContext& context) = 0;
  /// `listener` is called, on the thread that asks, when a command has given no answer for some seconds; with how many.
  /// Before the first get().
  virtual void on_slow(std::function<void(std::chrono::seconds)> /*listener*/) {}
  /// "password file /path", "terminal": for the log.
  [[nodiscard]] virtual std::string description() const = 0;
};

/// Chooses the source. Call before the daemon leaves its terminal: if the terminal is the source, it asks now; a file
/// is checked for readability now.
Result<std::shared_ptr<PasswordSource>> choose_password_source(const Options& options, const CallContext& context);

}  // namespace imapfs::app
