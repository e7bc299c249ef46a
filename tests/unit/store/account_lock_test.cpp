// Who waits for the holder of an account's directory, and for how long.
#include "imapfs/store/account_lock.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "imapfs/base/mount_table.hpp"
#include "imapfs/store/account_opening.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::store::testing {
namespace {

using namespace std::chrono_literals;

LockNote running() {
  LockNote note;
  note.process = ::getpid();
  note.patience = 30s;
  note.mount_namespace = mount_namespace();
  note.mountpoint = "/home/anna/my mail";
  return note;
}

LockNote ending() {
  auto note = running();
  note.ending = true;
  return note;
}

class AccountLock : public ::testing::Test {
 protected:
  AccountLock() : held_(std::move(open_account_directory(directory_.path(), "a@h").value())) {}
  /// Opens it as the next mount does.
  Result<AccountDirectory> next(const std::stop_token& stop = {}) {
    return open_cache_directory(directory_.path(), "a@h",
                                {[this](const LockNote& note) {
                                   said_.push_back(note.mountpoint);
                                   if (when_said_) when_said_();
                                 },
                                 stop});
  }
  TemporaryDirectory directory_;
  std::optional<AccountDirectory> held_;
  std::vector<std::string> said_;
  std::function<void()> when_said_;
};

TEST_F(AccountLock, KeepsWhatItsHolderSays) {
  auto note = ending();
  note.device = 55;
  write_lock_note(held_->path, note);
  const auto read = read_lock_note(held_->path);
  EXPECT_EQ(read.process, note.process);
  EXPECT_TRUE(read.ending);
  EXPECT_EQ(read.patience, 30s);
  EXPECT_EQ(read.mount_namespace, note.mount_namespace);
  EXPECT_EQ(read.device, 55u);
  EXPECT_EQ(read.mountpoint, "/home/anna/my mail");
}

TEST_F(AccountLock, OfAHolderThatIsEndingIsWaitedFor) {
  write_lock_note(held_->path, ending());
  when_said_ = [this] { held_.reset(); };
  const auto directory = next();
  ASSERT_TRUE(directory);
  EXPECT_FALSE(directory->private_copy);
  EXPECT_EQ(said_, std::vector<std::string>{"/home/anna/my mail"});
  EXPECT_EQ(read_lock_note(directory->path).process, 0) << "what the one before has said";
}

TEST_F(AccountLock, OfAHolderWhoseMountIsGoneIsWaitedFor) {
  auto note = running();
  note.device = ~dev_t{0};
  write_lock_note(held_->path, note);
  when_said_ = [this] { held_.reset(); };
  const auto directory = next();
  ASSERT_TRUE(directory);
  EXPECT_FALSE(directory->private_copy);
}

TEST_F(AccountLock, OfAHolderThatGoesOnIsNot) {
  write_lock_note(held_->path, running());
  const auto directory = next();
  ASSERT_TRUE(directory);
  EXPECT_TRUE(directory->private_copy);
  EXPECT_EQ(original_of(directory->path), held_->path);
  EXPECT_EQ(original_of(held_->path), "");
  EXPECT_TRUE(said_.empty());
}

TEST_F(AccountLock, OfAHolderInAnotherNamespaceIsGivenAMoment) {
  auto note = running();
  note.mount_namespace = 1;
  write_lock_note(held_->path, note);
  const std::jthread holder([path = held_->path] {
    std::this_thread::sleep_for(50ms);
    write_lock_note(path, ending());
  });
  when_said_ = [this] { held_.reset(); };
  const auto directory = next();
  ASSERT_TRUE(directory);
  EXPECT_FALSE(directory->private_copy);
}

TEST_F(AccountLock, IsNotWaitedForWhenTheWaitIsStopped) {
  write_lock_note(held_->path, ending());
  std::stop_source stop;
  when_said_ = [&] { stop.request_stop(); };
  const auto refused = next(stop.get_token());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EINTR);
}

}  // namespace
}  // namespace imapfs::store::testing
