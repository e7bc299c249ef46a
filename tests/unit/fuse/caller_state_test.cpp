// Whose thread it is that asks, and whether it is ending.
#include "fuse/caller_state.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/temporary_directory.hpp"

namespace imapfs::fuse {
namespace {

namespace fs = std::filesystem;

/// A directory that looks like procfs with the thread 4711 in it.
class StateOfACaller : public ::testing::Test {
 protected:
  StateOfACaller() { fs::create_directories(root_ / "4711"); }
  struct Signals {
    std::string own = "0000000000000000", shared = own, blocked = own, ignored = own, caught = own;
  };
  /// A thread whose memory is gone, unless `memory_` says otherwise.
  CallerState with(const std::string& flags, const Signals& signals, const std::string& name = "cat") {
    std::ofstream(root_ / "4711" / "stat") << "4711 (" << name << ") S 1 2 3 34816 5 " << flags
                                           << " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
                                              "27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 "
                                           << exit_code_ << "\n";
    std::ofstream(root_ / "4711" / "status")
        << "Name:\t" << name << "\nTgid:\t4700\n"
        << memory_ << "SigQ:\t0/15\nSigPnd:\t" << signals.own << "\nShdPnd:\t" << signals.shared << "\nSigBlk:\t"
        << signals.blocked << "\nSigIgn:\t" << signals.ignored << "\nSigCgt:\t" << signals.caught << "\nCapInh:\t0\n";
    return caller_state(4711, root_.string());
  }
  CallerState with_status(const std::string& text) {
    std::ofstream(root_ / "4711" / "status") << text;
    return caller_state(4711, root_.string());
  }
  std::string memory_;
  std::string exit_code_ = "9";
  const imapfs::testing::TemporaryDirectory directory_;
  const fs::path root_ = directory_.path();
};

std::string set_of(int signal) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", 1ULL << (signal - 1));
  return text;
}

TEST_F(StateOfACaller, FlagsAndExitCodeAreFoundBehindAnyName) {
  for (const std::string name : {"cat", "a) R 1 (b", "x y"}) {
    const auto state = with("4195332", {}, name);  // 0x400404
    EXPECT_TRUE(state.known) << name;
    EXPECT_TRUE(state.exiting && state.signaled) << name;
    EXPECT_EQ(state.exit_code, 9) << name;
  }
  const auto living = with("4194304", {});
  EXPECT_TRUE(living.known);
  EXPECT_FALSE(living.exiting || living.signaled || living.kill_pending);
}

TEST_F(StateOfACaller, APendingSignalKillsUnlessItIsCaughtBlockedOrIgnored) {
  EXPECT_TRUE(with("0", {.own = set_of(SIGKILL)}).kill_pending);
  EXPECT_TRUE(with("0", {.shared = set_of(SIGKILL)}).kill_pending);
  EXPECT_TRUE(with("0", {.shared = set_of(SIGQUIT)}).kill_pending);
  EXPECT_FALSE(with("0", {.shared = set_of(SIGQUIT), .blocked = set_of(SIGQUIT)}).kill_pending);
  EXPECT_FALSE(with("0", {.shared = set_of(SIGQUIT), .ignored = set_of(SIGQUIT)}).kill_pending);
  EXPECT_FALSE(with("0", {.shared = set_of(SIGINT), .caught = set_of(SIGINT)}).kill_pending);
  for (const int signal : {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP})
    EXPECT_FALSE(with("0", {.own = set_of(signal)}).kill_pending) << signal;
}

TEST_F(StateOfACaller, OneThatExitsByItselfIsNotBeingKilled) {
  EXPECT_TRUE(with("1028", {}).being_killed());  // PF_SIGNALED, PF_EXITING, by signal 9
  exit_code_ = "256";
  EXPECT_FALSE(with("4", {}).being_killed());
  EXPECT_FALSE(with("1028", {}).being_killed()) << "the other threads of a process that calls exit_group";
}

TEST_F(StateOfACaller, OfOneThatHasItsMemoryIsNotAskedOfStatWhichWaitsForAnExecve) {
  memory_ = "VmPeak:\t    4096 kB\nVmSize:\t    4096 kB\n";
  const auto executing = with("1028", {});
  EXPECT_TRUE(executing.known);
  EXPECT_EQ(executing.process, 4700);
  EXPECT_FALSE(executing.exiting || executing.signaled) << "stat was read";
  EXPECT_TRUE(with("0", {.own = set_of(SIGKILL)}).being_killed()) << "status says that";
}

TEST_F(StateOfACaller, TheProcessIsReadFromItsOwnLineAlone) {
  EXPECT_EQ(with_status("Name:\tcp\nUmask:\t0022\nTgid:\t4700\nNgid:\t0\n").process, 4700);
  EXPECT_EQ(with_status("Name:\tTgid:\t1\nTgid:\t4700\n").process, 4700);
  for (const std::string text :
       {"", "Name:\tcp\n", "Name:\tcp\nTgid:\t", "Name:\tcp\nTgid:\tx\n", "Name:\tcp\nTgid:\t0\n"}) {
    EXPECT_FALSE(with_status(text).known) << text;
    EXPECT_EQ(with_status(text).process, 0) << text;
  }
}

TEST_F(StateOfACaller, EveryThreadOfAProcessBelongsToIt) {
  EXPECT_EQ(caller_state(::getpid()).process, ::getpid());
  pid_t seen = 0;
  std::jthread([&] {
    ASSERT_NE(::gettid(), ::getpid());
    seen = caller_state(::gettid()).process;
  }).join();
  EXPECT_EQ(seen, ::getpid());
}

TEST_F(StateOfACaller, IsNotKnownOfAThreadThatCannotBeSeen) {
  EXPECT_FALSE(caller_state(0).known);
  EXPECT_FALSE(caller_state(-1).known);
  EXPECT_FALSE(caller_state(4711, "/nonexistent").known);
  EXPECT_FALSE(caller_state(4711, "/nonexistent").being_killed());
}

TEST_F(StateOfACaller, WhoseStatIsBrokenIsThatItLives) {
  EXPECT_FALSE(with("x", {}).being_killed());
  std::ofstream(root_ / "4711" / "stat") << "4711 (cat";
  EXPECT_FALSE(caller_state(4711, root_.string()).being_killed());
}

TEST_F(StateOfACaller, OfALivingProcessIsThatItLives) {
  const auto state = caller_state(::gettid());
  EXPECT_TRUE(state.known);
  EXPECT_FALSE(state.being_killed());
}

/// A child that has a signal of its own pending and blocked, until told to go on.
TEST_F(StateOfACaller, ABlockedSignalOfARealProcessDoesNotKillAndItsEndIsSeen) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    sigset_t signals;
    ::sigfillset(&signals);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::raise(SIGTERM);
    (void)!::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char octet = 0;
  ASSERT_EQ(::read(ready[0], &octet, 1), 1);
  EXPECT_TRUE(caller_state(child).known);
  EXPECT_FALSE(caller_state(child).being_killed());
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  const auto dead = caller_state(child);
  EXPECT_TRUE(dead.exiting);
  EXPECT_TRUE(dead.signaled);
  EXPECT_EQ(dead.exit_code & 0x7f, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace imapfs::fuse
