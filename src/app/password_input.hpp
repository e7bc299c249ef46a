#pragma once
// The system calls behind password sources: a bounded first line from a descriptor, from a command, from the terminal.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs::app {

inline constexpr std::size_t most_secret_bytes = 64 * 1024;

/// Overwrites the text before its memory is freed, in a way the compiler must not leave out.
void wipe(std::string& secret);

/// Text that is wiped, and kept out of swap where the system allows it (a lock on memory is not inherited by a fork).
class Secret {
 public:
  explicit Secret(std::string text);
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  void* locked_ = nullptr;
  std::size_t locked_bytes_ = 0;
};

/// A whole small file; EACCES with the reason and the path. `mode` gets its permission bits, 0 for what is not a
/// regular file.
Result<std::string> read_secret_file(const std::string& path, unsigned& mode);
/// The first line of standard input, not a byte more.
Result<std::string> read_standard_input(const CallContext& context);
/// Up to the first end of line; EACCES where nothing stands there.
Result<std::string> first_line(std::string text, const std::string& source);
/// Standard output of `sh -c command`, at most most_secret_bytes, in a process group of its own that is killed at the
/// deadline or stop. `slow` is called once if that takes longer than some seconds.
Result<std::string> run_command(const std::string& command, const CallContext& context,
                                const std::function<void(std::chrono::seconds)>& slow = {});

/// Asks on /dev/tty with echo off; the terminal is put right again also when a signal comes. ENXIO: there is no
/// terminal.
Result<std::string> ask_terminal(const std::string& question, const CallContext& context);

}  // namespace imapfs::app
