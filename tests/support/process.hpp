#pragma once
// Running the shell's own tools from tests.

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace imapfs::testing {

/// For what happens soon on a machine that is not busy.
inline constexpr int patient_seconds = 60;

struct CommandResult {
  int status = -1;     ///< exit status; 128 + signal number when killed
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs `script` with bash -c, standard input empty, and waits at most `seconds` (then kills its process group; status
/// 137).
CommandResult shell(const std::string& script, int seconds = patient_seconds);

/// Quotes one word for the shell.
std::string shell_quote(const std::string& word);

/// A command that runs beside the test; killed (with its process group) when the object goes.
class BackgroundCommand {
 public:
  explicit BackgroundCommand(const std::string& script);
  ~BackgroundCommand();
  BackgroundCommand(const BackgroundCommand&) = delete;
  BackgroundCommand& operator=(const BackgroundCommand&) = delete;

  /// Waits until a line that contains `text` was written to standard output or standard error. False after `seconds`.
  bool wait_for_line(const std::string& text, int seconds = patient_seconds);
  /// Waits for the end; the exit status, or -1 after `seconds`.
  int wait(int seconds = patient_seconds);
  void signal(int number) const;
  [[nodiscard]] const std::string& output() const { return output_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  bool read_more(int milliseconds);
  pid_t pid_ = -1;
  int descriptor_ = -1;
  std::string output_;
  int status_ = -1;
};

/// Whether the process runs. A zombie that nobody has waited for does not.
bool process_runs(pid_t pid);

std::string read_file(const std::string& path);
/// Readable by its owner only, as secrets have to be.
void write_file(const std::string& path, const std::string& content);

/// Repeats `condition` until it holds or `seconds` have passed; whether it held. For states that have no event to wait
/// for.
template <class Condition>
bool eventually(Condition condition, int seconds = patient_seconds);

}  // namespace imapfs::testing

#include <chrono>
#include <thread>

template <class Condition>
bool imapfs::testing::eventually(Condition condition, int seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}
