#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <optional>
#include <set>
#include <vector>

#include "imapfs/store/metadata_store.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::store {
namespace {

using testing::in_child;
using testing::TemporaryDirectory;
namespace fs = std::filesystem;

unsigned mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(AccountDirectory, IsMadePrivateWithItsParents) {
  TemporaryDirectory temporary;
  auto directory = open_account_directory(temporary.path("a/b"), "anna@mail.example.org");
  ASSERT_TRUE(directory) << directory.error().what;
  EXPECT_EQ(directory->path, temporary.path("a/b/anna@mail.example.org"));
  EXPECT_FALSE(directory->private_copy);
  for (const char* path : {"a", "a/b", "a/b/anna@mail.example.org"})
    EXPECT_EQ(mode_of(temporary.path(path)), 0700u) << path;
}

TEST(AccountDirectory, ASecondMountGetsANumberedSiblingAndItsOwnAgainLater) {
  TemporaryDirectory temporary;
  std::optional<AccountDirectory> first(std::move(open_account_directory(temporary.path(), "a@h").value()));
  auto second = open_account_directory(temporary.path(), "a@h");
  auto third = open_account_directory(temporary.path(), "a@h");
  ASSERT_TRUE(second && third);
  EXPECT_EQ(second->path, temporary.path("a@h@2"));
  EXPECT_TRUE(second->private_copy);
  EXPECT_EQ(third->path, temporary.path("a@h@3"));
  first.reset();
  auto again = open_account_directory(temporary.path(), "a@h");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->path, temporary.path("a@h"));
}

TEST(AccountDirectory, TheTenthMountOfAnAccountIsRefused) {
  TemporaryDirectory temporary;
  std::vector<AccountDirectory> held;
  for (int count = 0; count < 9; ++count)
    held.push_back(std::move(open_account_directory(temporary.path(), "a@h").value()));
  auto refused = open_account_directory(temporary.path(), "a@h");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EBUSY);
}

TEST(AccountDirectory, TheLockGoesWithTheProcessThatIsKilled) {
  TemporaryDirectory temporary;
  EXPECT_EQ(in_child([&] {
              auto held = open_account_directory(temporary.path(), "a@h");
              if (!held) return 1;
              ::raise(SIGKILL);
              return 0;
            }),
            -SIGKILL);
  auto directory = open_account_directory(temporary.path(), "a@h");
  ASSERT_TRUE(directory);
  EXPECT_FALSE(directory->private_copy);
}

TEST(AccountDirectory, TheLockSurvivesTheParentOfAFork) {
  TemporaryDirectory temporary;
  int ready[2];
  int finish[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(finish), 0);
  pid_t daemon = -1;
  {
    auto directory = open_account_directory(temporary.path(), "a@h");
    ASSERT_TRUE(directory);
    daemon = ::fork();
    if (daemon == 0) {
      ::close(finish[1]);
      char byte = 0;
      (void)!::write(ready[1], "x", 1);
      (void)!::read(finish[0], &byte, 1);
      ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  }
  auto second = open_account_directory(temporary.path(), "a@h");
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->private_copy);
  ::close(finish[1]);
  int status = 0;
  ::waitpid(daemon, &status, 0);
}

TEST(AccountDirectory, EveryAccountGetsOneSafeComponentOfItsOwn) {
  TemporaryDirectory temporary;
  std::set<std::string> seen;
  for (const std::string& account :
       {std::string("../../etc"), std::string("."), std::string(".."), std::string("a/b@h"), std::string("a%2Fb@h"),
        std::string("a b@h"), std::string("a-b@h"), std::string("-rf@h"), std::string("a\nb@h"),
        std::string("a\0b@h", 5), std::string(""), std::string("a@h@2"), std::string("a@2001:db8::1"),
        std::string("b\xc3\xbc@h"), std::string(500, 'x'), std::string(501, 'x'), std::string("%")}) {
    auto directory = open_account_directory(temporary.path(), account);
    ASSERT_TRUE(directory) << account << ": " << directory.error().what;
    EXPECT_FALSE(directory->private_copy) << account;
    EXPECT_TRUE(seen.insert(directory->path).second) << account;
    EXPECT_EQ(fs::path(directory->path).parent_path(), temporary.path()) << account;
    EXPECT_TRUE(fs::is_directory(directory->path));
    EXPECT_LT(fs::path(directory->path).filename().string().size(), 200u);
  }
  auto plain = open_account_directory(temporary.path(), "a@h");
  auto sibling = open_account_directory(temporary.path(), "a@h");
  ASSERT_TRUE(sibling);
  EXPECT_TRUE(seen.insert(sibling->path).second) << "a sibling took the directory of the account a@h@2";
}

TEST(AccountDirectory, ALinkInItsPlaceIsRefused) {
  TemporaryDirectory temporary;
  fs::create_directory(temporary.path("elsewhere"));
  fs::create_directory_symlink(temporary.path("elsewhere"), temporary.path("a@h"));
  auto directory = open_account_directory(temporary.path(), "a@h");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().errnum, EACCES);
  EXPECT_NE(directory.error().what.find(temporary.path("a@h")), std::string::npos) << directory.error().what;
  EXPECT_TRUE(fs::is_empty(temporary.path("elsewhere")));
}

TEST(AccountDirectory, ALinkInPlaceOfTheLockIsNotFollowed) {
  TemporaryDirectory temporary;
  fs::create_directory(temporary.path("a@h"));
  ::chmod(temporary.path("a@h").c_str(), 0700);
  fs::create_symlink(temporary.path("victim"), temporary.path("a@h/lock"));
  EXPECT_FALSE(open_account_directory(temporary.path(), "a@h"));
  EXPECT_FALSE(fs::exists(temporary.path("victim")));
}

TEST(AccountDirectory, OneThatOthersCanWriteToIsRefused) {
  TemporaryDirectory temporary;
  fs::create_directory(temporary.path("a@h"));
  for (const mode_t mode : {0770u, 0707u, 0777u}) {
    ::chmod(temporary.path("a@h").c_str(), mode);
    auto directory = open_account_directory(temporary.path(), "a@h");
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().errnum, EACCES);
    EXPECT_NE(directory.error().what.find("chmod 700"), std::string::npos);
  }
}

TEST(AccountDirectory, OneThatOthersCanOnlyReadIsMadePrivate) {
  TemporaryDirectory temporary;
  fs::create_directory(temporary.path("a@h"));
  ::chmod(temporary.path("a@h").c_str(), 0755);
  ASSERT_TRUE(open_account_directory(temporary.path(), "a@h"));
  EXPECT_EQ(mode_of(temporary.path("a@h")), 0700u);
}

TEST(AccountDirectory, ARootThatOthersCanWriteToIsRefusedUnlessItIsSticky) {
  TemporaryDirectory temporary;
  ::chmod(temporary.path().c_str(), 0777);
  auto refused = open_account_directory(temporary.path(), "a@h");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  ::chmod(temporary.path().c_str(), 01777);
  EXPECT_TRUE(open_account_directory(temporary.path(), "a@h"));
}

TEST(AccountDirectory, OneOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make one";
  TemporaryDirectory temporary;
  ::chmod(temporary.path().c_str(), 01777);
  fs::create_directory(temporary.path("a@h"));
  ::chmod(temporary.path("a@h").c_str(), 0700);
  ASSERT_EQ(::chown(temporary.path("a@h").c_str(), 65534, 65534), 0);
  auto refused = open_account_directory(temporary.path(), "a@h");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  ASSERT_EQ(::chown(temporary.path().c_str(), 65534, 65534), 0);
  EXPECT_FALSE(open_account_directory(temporary.path(), "b@h"));
}

TEST(AccountDirectory, ARootThatCannotBeMadeIsAnErrorWithItsPath) {
  TemporaryDirectory temporary;
  testing::write_file(temporary.path("plain"), "x");
  auto directory = open_account_directory(temporary.path("plain/below"), "a@h");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().errnum, ENOTDIR);
  EXPECT_NE(directory.error().what.find("plain"), std::string::npos);
  EXPECT_FALSE(open_account_directory("", "a@h"));
}

TEST(CacheRoot, FollowsXdgThenHomeThenTheUserDatabase) {
  EXPECT_EQ(in_child([] {
              ::setenv("XDG_CACHE_HOME", "/x/cache", 1);
              ::setenv("HOME", "/home/anna", 1);
              if (default_cache_root() != "/x/cache/imapfs") return 1;
              ::setenv("XDG_CACHE_HOME", "relative", 1);
              if (default_cache_root() != "/home/anna/.cache/imapfs") return 2;
              ::unsetenv("XDG_CACHE_HOME");
              if (default_cache_root() != "/home/anna/.cache/imapfs") return 3;
              ::unsetenv("HOME");
              const std::string root = default_cache_root();
              return root.empty() || root.ends_with("/.cache/imapfs") ? 0 : 4;
            }),
            0);
}

}  // namespace
}  // namespace imapfs::store
