// Whose thread it is that asks.
#include "imapfs/fuse/thread_group.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace imapfs::fuse {
namespace {

namespace fs = std::filesystem;

/// A directory that looks like procfs with the thread 4711 in it.
class ForeignThread : public ::testing::Test {
 protected:
  ~ForeignThread() override { fs::remove_all(root_); }
  pid_t group_with_status(const std::string& text) {
    fs::create_directories(root_ / "4711");
    std::ofstream(root_ / "4711" / "status") << text;
    return thread_group_of(4711, root_.string());
  }
  const fs::path root_ = fs::temp_directory_path() / ("imapfs-procfs-" + std::to_string(::getpid()));
};

TEST(ThreadGroup, EveryThreadOfAProcessHasItsNumber) {
  EXPECT_EQ(thread_group_of(::getpid()), ::getpid());
  pid_t seen = 0;
  std::jthread([&] {
    ASSERT_NE(::gettid(), ::getpid());
    seen = thread_group_of(::gettid());
  }).join();
  EXPECT_EQ(seen, ::getpid());
}

TEST(ThreadGroup, OfNobodyIsNotKnown) {
  EXPECT_EQ(thread_group_of(0), 0);
  EXPECT_EQ(thread_group_of(-1), 0);
  EXPECT_EQ(thread_group_of(4711, "/nonexistent"), 0);
}

TEST_F(ForeignThread, IsReadFromItsOwnLineAlone) {
  EXPECT_EQ(group_with_status("Name:\tcp\nUmask:\t0022\nTgid:\t4700\nNgid:\t0\n"), 4700);
  EXPECT_EQ(group_with_status("Name:\tTgid:\t1\nTgid:\t4700\n"), 4700);
}

TEST_F(ForeignThread, IsNotKnownWhereThatLineIsBroken) {
  for (const std::string text : {"", "Name:\tcp\n", "Name:\tcp\nTgid:\t", "Name:\tcp\nTgid:\tx\n",
                                 "Name:\tcp\nTgid:\t0\n"})
    EXPECT_EQ(group_with_status(text), 0) << text;
}

}  // namespace
}  // namespace imapfs::fuse
