// The last seconds of a mount: who waits how long for what was accepted.
#include "imapfs/app/last_changes.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <thread>

#include "support/fake_account.hpp"

namespace imapfs::app {
namespace {

using namespace std::chrono_literals;

/// An account whose changes end when the test says so.
class SlowAccount : public testing::FakeAccount {
 public:
  void settle(MailboxId mailbox, Completion<void> done) override {
    EXPECT_EQ(mailbox.value, 0u);
    if (at_once) return done(*at_once);
    waiting = std::move(done);
  }
  std::optional<Result<void>> at_once;
  Completion<void> waiting;
};

TEST(LastChanges, NothingToWaitForIsNoWait) {
  SlowAccount account;
  account.at_once = Result<void>();
  EXPECT_TRUE(await_last_changes(account, 0ms, -1));
}

TEST(LastChanges, AreWaitedFor) {
  class BusyAccount : public testing::FakeAccount {
   public:
    void settle(MailboxId, Completion<void> done) override {
      server_ = std::jthread([done = std::move(done)] { done({}); });
    }

   private:
    std::jthread server_;
  };
  BusyAccount account;
  EXPECT_TRUE(await_last_changes(account, 1h, -1));
}

TEST(LastChanges, WithoutAConnectionTheWaitEndsWithItsReason) {
  SlowAccount account;
  account.at_once = Result<void>(fail(EHOSTUNREACH, "offline"));
  const auto result = await_last_changes(account, 1h, -1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EHOSTUNREACH);
}

TEST(LastChanges, AreNotWaitedForLongerThanThePatienceAndMayEndLater) {
  SlowAccount account;
  const auto result = await_last_changes(account, 5ms, -1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, ETIMEDOUT);
  account.waiting({});  // nobody waits any more: nothing may break
}

TEST(LastChanges, ASecondSignalEndsTheWait) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
  const int descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  ASSERT_GE(descriptor, 0);
  SlowAccount account;
  ASSERT_EQ(pthread_kill(pthread_self(), SIGTERM), 0);
  const auto result = await_last_changes(account, 1h, descriptor);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EINTR);
  ::close(descriptor);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace imapfs::app
