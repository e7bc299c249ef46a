#include "app/startup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "app/process.hpp"

namespace imapfs::app {
namespace {

void redirect_to_null(int descriptor) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return;
  ::dup2(null, descriptor);
  ::close(null);
}

void write_all(int descriptor, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(descriptor, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // the parent is gone: nobody to tell
    written += static_cast<std::size_t>(count);
  }
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

volatile pid_t child_to_tell = 0;

/// Who ends the command before the mount is live wants no mount.
void pass_on(int number) {
  const int errnum = errno;
  ::kill(child_to_tell, number);
  errno = errnum;
}

void pass_signals_on(pid_t child) {
  child_to_tell = child;
  struct sigaction action {};
  action.sa_handler = pass_on;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    struct sigaction before {};
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
      ::sigaction(number, &action, nullptr);
  }
}

constexpr char success = '+';
constexpr char failure = '-';

}  // namespace

Startup::~Startup() {
  if (report_descriptor_ >= 0) ::close(report_descriptor_);
}

Result<std::optional<int>> Startup::detach() {
  if (foreground_) return std::optional<int>{};
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(system_error(errno, "pipe"));
  const pid_t child = ::fork();
  if (child < 0) return fail(system_error(errno, "fork"));
  if (child > 0) {
    ::close(ends[1]);
    report_descriptor_ = ends[0];
    return std::optional<int>(wait_for_child(child));
  }
  close_inherited_descriptors(ends[1]);
  report_descriptor_ = ends[1];
  ::setsid();
  if (::chdir("/") != 0) return fail(system_error(errno, "chdir /"));
  redirect_to_null(STDIN_FILENO);
  redirect_to_null(STDOUT_FILENO);
  return std::optional<int>{};
}

int Startup::wait_for_child(int child) {
  pass_signals_on(child);
  const std::string report = read_all(report_descriptor_);
  if (!report.empty() && report[0] == success) return 0;
  if (!report.empty() && report[0] == failure) {
    std::fprintf(stderr, "imapfs: %s\n", report.c_str() + 1);
    return 1;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    std::fprintf(stderr, "imapfs: the daemon was killed by signal %d before the mount was live\n", WTERMSIG(status));
  else std::fprintf(stderr, "imapfs: the daemon ended before the mount was live\n");
  return 1;
}

void Startup::report_success() {
  if (foreground_ || report_descriptor_ < 0) return;
  redirect_to_null(STDERR_FILENO);
  write_all(report_descriptor_, std::string(1, success));
  ::close(report_descriptor_);
  report_descriptor_ = -1;
}

void Startup::report_failure(const std::string& sentence) {
  if (foreground_ || report_descriptor_ < 0) {
    std::fprintf(stderr, "imapfs: %s\n", sentence.c_str());
    return;
  }
  write_all(report_descriptor_, failure + sentence);
  ::close(report_descriptor_);
  report_descriptor_ = -1;
}

}  // namespace imapfs::app
