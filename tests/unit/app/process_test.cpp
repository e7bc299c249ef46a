// What the program does to its own process, in a child of the test.
#include "app/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace imapfs::app {
namespace {

/// The exit status of a child that does `work`.
template <class Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Process, WithAPasswordLeavesNoCore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the leak checker must be able to look into the process";
#endif
  EXPECT_EQ(in_child([] {
              protect_memory();
              rlimit limit{1, 1};
              ::getrlimit(RLIMIT_CORE, &limit);
              return limit.rlim_max == 0 && ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1;
            }),
            0);
}

TEST(Process, KeepsNoDescriptorOfItsCaller) {
  EXPECT_EQ(in_child([] {
              ::close_range(3, ~0U, 0);
              const int kept = ::fcntl(1, F_DUPFD, 20);
              for (const int number : {3, 19, 21, 300}) ::dup2(1, number);
              close_inherited_descriptors(kept);
              for (const int number : {3, 19, 21, 300})
                if (::fcntl(number, F_GETFD) != -1) return number;
              for (const int number : {0, 1, 2, kept})
                if (::fcntl(number, F_GETFD) == -1) return 100 + number;
              return 0;
            }),
            0);
}

TEST(Process, MayOpenWhatTheHardLimitAllowsAndOutlivesALimitOnFiles) {
  EXPECT_EQ(in_child([] {
              rlimit files{};
              ::getrlimit(RLIMIT_NOFILE, &files);
              files.rlim_cur = 64;
              ::setrlimit(RLIMIT_NOFILE, &files);
              prepare_limits();
              ::getrlimit(RLIMIT_NOFILE, &files);
              ::raise(SIGXFSZ);
              return files.rlim_cur == files.rlim_max ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace imapfs::app
