// The last seconds of a mount: who waits how long for what was accepted.
#include "app/last_changes.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "support/temporary_directory.hpp"

namespace imapfs::app {
namespace {

using namespace std::chrono_literals;

void at_once(const Completion<void>& done) { done({}); }

TEST(LastChanges, NothingToWaitForIsNoWait) { EXPECT_TRUE(await_last_changes(at_once, 0ms, -1)); }

TEST(LastChanges, AreWaitedFor) {
  std::jthread server;
  const auto slow = [&](Completion<void> done) { server = std::jthread([done = std::move(done)] { done({}); }); };
  EXPECT_TRUE(await_last_changes(slow, 1h, -1));
}

TEST(LastChanges, WithoutAConnectionTheWaitEndsWithItsReason) {
  const auto offline = [](const Completion<void>& done) { done(fail(EHOSTUNREACH, "offline")); };
  const auto result = await_last_changes(offline, 1h, -1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EHOSTUNREACH);
}

TEST(LastChanges, AreNotWaitedForLongerThanThePatienceAndMayEndLater) {
  Completion<void> waiting;
  const auto never = [&](Completion<void> done) { waiting = std::move(done); };
  const auto result = await_last_changes(never, 5ms, -1);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, ETIMEDOUT);
  waiting({});  // nobody waits any more: nothing may break
}

TEST(LastChanges, ASecondSignalEndsTheWait) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &signals, &before), 0);
  const int descriptor = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  ASSERT_GE(descriptor, 0);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGTERM), 0);
  const auto result = await_last_changes([](const Completion<void>&) {}, 1h, descriptor);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EINTR);
  ::close(descriptor);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(LastChanges, NameWhatIsInTheOutbox) {
  using State = store::StagedFile::State;
  const imapfs::testing::TemporaryDirectory directory;
  const auto journal = *store::Journal::open(directory.path(), "anna@mail.example.org");
  EXPECT_EQ(describe_outbox(*journal), "");
  const auto stage = [&](const std::string& name, State state, const std::string& text) {
    store::StagedFile file;
    file.name = name;
    file.state = state;
    ASSERT_TRUE(journal->stage(file));
    std::ofstream(journal->staging_path(file.id)) << text;
  };
  stage("queued.eml", State::queued, "Subject: x\n");
  stage("backup.eml~", State::local, "Subject: x\n");
  stage("empty.eml", State::open, "");
  EXPECT_EQ(describe_outbox(*journal), "") << "they need nobody";
  stage("half.eml", State::open, "Subject: x\n");
  EXPECT_EQ(describe_outbox(*journal), "1 file not uploaded, and in .imapfs/outbox: half.eml");
  stage("refused.eml", State::refused, "no mail\n");
  EXPECT_EQ(describe_outbox(*journal), "2 files not uploaded, and in .imapfs/outbox: half.eml, refused.eml");
  EXPECT_EQ(describe_waiting(*journal), "4 files") << "a backup waits for nothing";
}

}  // namespace
}  // namespace imapfs::app
