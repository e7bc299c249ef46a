// What is said of a mountpoint that cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "imapfs/fuse/mount.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::fuse {
namespace {

using ::testing::HasSubstr;

class Mountpoints : public ::testing::Test {
 protected:
  static Error refusal(const std::string& path) {
    MountSettings settings;
    settings.mountpoint = path;
    const auto prepared = prepare_mountpoint(settings);
    return prepared ? Error{0, Scope::request, Retry::never, *prepared} : prepared.error();
  }
  const imapfs::testing::TemporaryDirectory directory_;
  const std::filesystem::path folder_ = directory_.path();
};

TEST_F(Mountpoints, AMissingOneIsRefusedWithTheCure) {
  const auto error = refusal(folder_ / "missing");
  EXPECT_EQ(error.errnum, ENOENT);
  EXPECT_EQ(error.scope, Scope::account);
  EXPECT_THAT(error.what, HasSubstr("does not exist; create it with: mkdir -p " + (folder_ / "missing").string()));
  EXPECT_EQ(refusal("").errnum, EINVAL);
}

TEST_F(Mountpoints, AFileIsNone) {
  std::ofstream(folder_ / "file") << "x";
  EXPECT_EQ(refusal(folder_ / "file").errnum, ENOTDIR);
}

TEST_F(Mountpoints, ADirectoryWithContentIsRefusedUnlessAskedFor) {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
  std::ofstream(folder_ / "file") << "x";
  const auto error = refusal(folder_);
  EXPECT_EQ(error.errnum, ENOTEMPTY);
  EXPECT_THAT(error.what, HasSubstr("nonempty"));
  MountSettings settings;
  settings.mountpoint = folder_;
  settings.nonempty = true;
  EXPECT_TRUE(prepare_mountpoint(settings));
}

TEST_F(Mountpoints, ARelativePathOrALinkBecomesTheDirectoryItself) {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
  std::filesystem::create_directory(folder_ / "mail");
  std::filesystem::create_symlink(folder_ / "mail", folder_ / "link");
  const auto canonical = std::filesystem::canonical(folder_ / "mail").string();
  EXPECT_EQ(refusal((folder_ / "link//").string()).what, canonical);
  EXPECT_EQ(refusal((folder_ / "mail" / ".." / "mail").string()).what, canonical);
}

}  // namespace
}  // namespace imapfs::fuse
