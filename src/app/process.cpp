#include "app/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "imapfs/base/notices.hpp"

// The leak checker attaches to the process as a debugger does.
#if defined(__SANITIZE_ADDRESS__)
#define IMAPFS_NEEDS_DEBUGGER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IMAPFS_NEEDS_DEBUGGER 1
#endif
#endif

namespace imapfs::app {

void protect_memory() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef IMAPFS_NEEDS_DEBUGGER
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

void open_standard_descriptors() {
  int descriptor = 0;
  do descriptor = ::open("/dev/null", O_RDWR);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) ::close(descriptor);
}

void close_inherited_descriptors(int kept) {
  const auto number = static_cast<unsigned>(kept);
  if (number > 3) ::close_range(3, number - 1, 0);
  ::close_range(number + 1, ~0U, 0);
}

namespace {

/// What is left of a limit when all that may be had is taken.
rlim_t raise_limit(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return RLIM_INFINITY;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(resource, &limit);
  return limit.rlim_max;
}

}  // namespace

void prepare_limits() {
  ::signal(SIGXFSZ, SIG_IGN);
  (void)raise_limit(RLIMIT_NOFILE);
  const auto largest = raise_limit(RLIMIT_FSIZE);
  if (largest == RLIM_INFINITY) return;
  notices().set("file size", fmt::format("the journal and the cache cannot grow beyond {} octets a file, and no larger "
                                         "message can be written: see ulimit -f",
                                         largest));
}

}  // namespace imapfs::app
