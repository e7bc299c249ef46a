#include "app/password_input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "imapfs/base/own_commands.hpp"
#include "imapfs/base/telemetry.hpp"

extern char** environ;

namespace imapfs::app {
namespace {

/// How often a wait looks at its stop token; a password command's end is not urgent.
constexpr int stop_check_milliseconds = 100;
/// A command that takes longer may be waiting for its user.
constexpr std::chrono::seconds slow_after{3};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

/// Called again and again while somebody waits. False: whoever was to write has ended, and what he wrote is all there.
using Tick = std::function<bool()>;

/// Waits until there is something to read, in slices short enough to notice a stop; false if nothing more will come.
Result<bool> wait_for_input(int descriptor, const CallContext& context, const Tick& tick) {
  while (true) {
    IMAPFS_TRY(context.check());
    const bool more = !tick || tick();
    const int left = context.poll_timeout();
    const int slice = left < 0 ? stop_check_milliseconds : std::min(left, stop_check_milliseconds);
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, more ? slice : 0);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return fail(system_error(errno, "wait for the password"));
    if (!more) return false;
  }
}

/// Reads to the end, to `until`, or until `tick` says that nothing more comes, at most `most_secret_bytes`: what
/// exceeds them is an error, not a shorter password.
Result<std::string> read_text(int descriptor, std::optional<char> until, const CallContext& context,
                              const std::string& source, const Tick& tick = {}) {
  std::string text;
  // Growing would leave copies behind.
  text.reserve(4096);
  std::array<char, 4096> buffer{};
  while (true) {
    auto ready = wait_for_input(descriptor, context, tick);
    if (ready && !*ready) return text;
    const ssize_t got = ready ? ::read(descriptor, buffer.data(), until ? 1 : buffer.size()) : 0;
    if (!ready || (got < 0 && errno != EINTR)) {
      const int errnum = errno;
      wipe(text);
      if (!ready) return fail(std::move(ready).error());
      return fail(system_error(errnum, fmt::format("read {}", source)));
    }
    if (got == 0) return text;
    if (got < 0) continue;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    ::explicit_bzero(buffer.data(), buffer.size());
    if (until && text.back() == *until) return text;
    if (text.size() > most_secret_bytes) {
      wipe(text);
      return fail(EACCES, Scope::account, Retry::never, "{} gave more than {} bytes", source, most_secret_bytes);
    }
  }
}

/// A child process group that does not outlive this object.
class Child {
 public:
  explicit Child(pid_t process) : process_(process) { own_commands().add(process_); }
  ~Child() {
    own_commands().remove(process_);
    ::kill(-process_, SIGKILL);
    if (!reaped_) ::waitpid(process_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Looks whether it has ended. What it has started may live on.
  bool ended() {
    if (reaped_ || error_ != 0) return true;
    const pid_t ended = ::waitpid(process_, &status_, WNOHANG);
    reaped_ = ended == process_;
    // Nothing can be learned of it where the caller has SIGCHLD ignored.
    if (ended < 0 && errno != EINTR) error_ = errno;
    return reaped_ || error_ != 0;
  }
  /// The status once it has ended. It may have closed its output long before.
  Result<int> wait(const CallContext& context, const Tick& tick) {
    while (!ended()) {
      IMAPFS_TRY(context.check());
      tick();
      ::poll(nullptr, 0, 5);  // there is no descriptor to wait on: output is at its end
    }
    if (error_ != 0) return fail(system_error(error_, "wait for the password command"));
    return status_;
  }

 private:
  pid_t process_;
  int status_ = 0;
  int error_ = 0;
  bool reaped_ = false;
};

Result<pid_t> spawn_shell(const std::string& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, 1);
  // The daemon blocks signals and ignores SIGPIPE; the command must not inherit that.
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string shell = "sh";
  std::string option = "-c";
  std::string script = command;
  char* arguments[] = {shell.data(), option.data(), script.data(), nullptr};
  pid_t process = -1;
  const int error = ::posix_spawn(&process, "/bin/sh", &actions, &attributes, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail(system_error(error, "start the password command"));
  return process;
}

/// "timed out" alone would be taken for the server's fault.
Error named(Error error) {
  if (error.errnum == ETIMEDOUT) error.what = "the password command gave no password in time";
  return error;
}

volatile std::sig_atomic_t signal_met = 0;
void note_signal(int number) { signal_met = number; }

/// Echo off while it lives. Signals that would end or stop the program are only noted meanwhile and raised again
/// afterwards, when the terminal is as it was.
class QuietTerminal {
 public:
  explicit QuietTerminal(int terminal) : terminal_(terminal) {
    signal_met = 0;
    struct sigaction action {};
    action.sa_handler = note_signal;
    for (std::size_t index = 0; index < signals.size(); ++index) ::sigaction(signals[index], &action, &before_[index]);
    valid_ = ::tcgetattr(terminal, &settings_) == 0;
    termios quiet = settings_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    if (valid_) valid_ = ::tcsetattr(terminal, TCSAFLUSH, &quiet) == 0;
  }
  ~QuietTerminal() {
    if (valid_) ::tcsetattr(terminal_, TCSANOW, &settings_);
    for (std::size_t index = 0; index < signals.size(); ++index) ::sigaction(signals[index], &before_[index], nullptr);
    if (signal_met != 0) ::raise(signal_met);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;
  [[nodiscard]] bool valid() const { return valid_; }

 private:
  static constexpr std::array<int, 5> signals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  int terminal_;
  bool valid_ = false;
  termios settings_{};
  std::array<struct sigaction, signals.size()> before_{};
};

/// One line, a byte at a time; ends early when a signal was met.
Result<std::string> read_answer(int terminal, const CallContext& context) {
  std::string answer;
  while (signal_met == 0) {
    auto still = context.check();
    if (!still) {
      wipe(answer);
      return fail(std::move(still).error());
    }
    pollfd waiting{terminal, POLLIN, 0};
    if (::poll(&waiting, 1, stop_check_milliseconds) <= 0) continue;
    char character = 0;
    const ssize_t got = ::read(terminal, &character, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || character == '\n' || answer.size() >= most_secret_bytes) return answer;
    answer += character;
  }
  wipe(answer);
  return fail(EINTR, "interrupted");
}

}  // namespace

void wipe(std::string& secret) {
  ::explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

Secret::Secret(std::string text) : text_(std::move(text)) {
  // Short strings live in this object, long ones on the heap: whichever it is, its bytes.
  if (::mlock(text_.data(), text_.size()) == 0) {
    locked_ = text_.data();
    locked_bytes_ = text_.size();
  }
}

Secret::~Secret() {
  wipe(text_);
  if (locked_ != nullptr) ::munlock(locked_, locked_bytes_);
}

Result<std::string> read_secret_file(const std::string& path, unsigned& mode) {
  const std::string shown = telemetry::printable(path);
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) {
    return fail(EACCES, Scope::account, Retry::never, "cannot read {}: {}", shown, std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return fail(EACCES, Scope::account, Retry::never, "cannot read {}: it is a directory", shown);
  }
  mode = S_ISREG(status.st_mode) ? status.st_mode & 07777 : 0;
  return read_text(file.get(), std::nullopt, CallContext{}, shown);
}

Result<std::string> read_standard_input(const CallContext& context) {
  return read_text(STDIN_FILENO, '\n', context, "standard input");
}

Result<std::string> first_line(std::string text, const std::string& source) {
  std::string line = text.substr(0, text.find('\n'));
  wipe(text);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return fail(EACCES, Scope::account, Retry::never, "{} gave no password", source);
  if (line.find('\0') != std::string::npos) {
    wipe(line);
    return fail(EACCES, Scope::account, Retry::never, "{} gave a password with a NUL", source);
  }
  return line;
}

Result<std::string> run_command(const std::string& command, const CallContext& context,
                                const std::function<void(std::chrono::seconds)>& slow) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(system_error(errno, "start the password command"));
  Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  Child child(IMAPFS_TRY(spawn_shell(command, input.get())));
  input.close();
  // A program that it leaves in the background may keep its output open.
  const Tick tick = [&slow, &child, begun = SteadyClock::now(), told = false]() mutable {
    if (!told && slow && SteadyClock::now() - begun >= slow_after) {
      told = true;
      slow(slow_after);
    }
    return !child.ended();
  };
  auto text = read_text(output.get(), std::nullopt, context, "the password command", tick);
  if (!text) return fail(named(std::move(text).error()));
  auto status = child.wait(context, tick);
  if (!status || *status != 0) {
    wipe(*text);
    if (!status) return fail(named(std::move(status).error()));
    if (WIFSIGNALED(*status)) {
      return fail(EACCES, Scope::account, Retry::never, "the password command was ended by signal {}",
                  WTERMSIG(*status));
    }
    return fail(EACCES, Scope::account, Retry::never, "the password command failed with status {}",
                WEXITSTATUS(*status));
  }
  return text;
}

Result<std::string> ask_terminal(const std::string& question, const CallContext& context) {
  Descriptor terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (terminal.get() < 0) return fail(ENXIO, "there is no terminal");
  QuietTerminal quiet(terminal.get());
  if (!quiet.valid()) return fail(ENXIO, "the terminal cannot be told to hide the password");
  if (::write(terminal.get(), question.data(), question.size()) < 0)
    return fail(system_error(errno, "ask for the password"));
  return read_answer(terminal.get(), context);
}

}  // namespace imapfs::app
