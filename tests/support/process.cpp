#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace imapfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    read_end = ends[0];
    write_end = ends[1];
  }
  int read_end;
  int write_end;
};

/// A test that kills by a signal means that signal, also where the test itself is started with it ignored (nohup, a
/// shell's &).
void take_signals_as_by_default() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

pid_t start_shell(const std::string& script, int output, int errors) {
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    take_signals_as_by_default();
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(output, 1);
    dup2(errors, 2);
    execl("/bin/bash", "bash", "-c", script.c_str(), nullptr);
    _exit(127);
  }
  setpgid(pid, pid);
  return pid;
}

int exit_status(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

/// Reads what is there; false at the end of the pipe.
bool drain(int descriptor, std::string& into) {
  std::array<char, 65536> buffer;
  const ssize_t count = read(descriptor, buffer.data(), buffer.size());
  if (count > 0) into.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

}  // namespace

CommandResult shell(const std::string& script, int seconds) {
  Pipe output;
  Pipe errors;
  const pid_t pid = start_shell(script, output.write_end, errors.write_end);
  close(output.write_end);
  close(errors.write_end);
  CommandResult result;
  std::array<pollfd, 2> polled{pollfd{output.read_end, POLLIN, 0}, pollfd{errors.read_end, POLLIN, 0}};
  const auto deadline = Clock::now() + std::chrono::seconds(seconds);
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (poll(polled.data(), polled.size(), milliseconds_until(deadline)) <= 0) {
      kill(-pid, SIGKILL);
      result.errors += "\n[test: killed after the time limit]";
      break;
    }
    if (polled[0].revents != 0 && !drain(output.read_end, result.output)) polled[0].fd = -1;
    if (polled[1].revents != 0 && !drain(errors.read_end, result.errors)) polled[1].fd = -1;
  }
  int status = 0;
  waitpid(pid, &status, 0);
  close(output.read_end);
  close(errors.read_end);
  result.status = exit_status(status);
  return result;
}

std::string shell_quote(const std::string& word) {
  std::string out = "'";
  for (const char character : word) {
    if (character == '\'') out += "'\\''";
    else out += character;
  }
  return out + "'";
}

BackgroundCommand::BackgroundCommand(const std::string& script) {
  Pipe pipe;
  pid_ = start_shell(script, pipe.write_end, pipe.write_end);
  close(pipe.write_end);
  descriptor_ = pipe.read_end;
}

BackgroundCommand::~BackgroundCommand() {
  if (status_ < 0) {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(descriptor_);
}

bool BackgroundCommand::read_more(int milliseconds) {
  pollfd polled{descriptor_, POLLIN, 0};
  if (poll(&polled, 1, milliseconds) <= 0) return false;
  return drain(descriptor_, output_);
}

bool BackgroundCommand::wait_for_line(const std::string& text, int seconds) {
  const auto deadline = Clock::now() + std::chrono::seconds(seconds);
  while (output_.find(text) == std::string::npos) {
    if (!read_more(milliseconds_until(deadline))) return output_.find(text) != std::string::npos;
  }
  return true;
}

int BackgroundCommand::wait(int seconds) {
  const auto deadline = Clock::now() + std::chrono::seconds(seconds);
  while (status_ < 0) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = exit_status(status);
      break;
    }
    if (Clock::now() > deadline) return -1;
    read_more(10);
  }
  while (read_more(0)) {
  }
  return status_;
}

void BackgroundCommand::signal(int number) const { kill(-pid_, number); }

bool process_runs(pid_t pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = status.rfind(')');
  return name_end != std::string::npos && status.size() > name_end + 2 && status[name_end + 2] != 'Z';
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  chmod(path.c_str(), 0600);
}

}  // namespace imapfs::testing
