#include "app/remembered_compression.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_directory.hpp"

namespace imapfs::app {
namespace {

using testing::TemporaryDirectory;

TEST(RememberedCompression, IsThatOfTheLastMount) {
  const TemporaryDirectory directory;
  EXPECT_EQ(remembered_compression(directory.path()), std::nullopt);
  for (const bool wanted : {true, false, true}) {
    remember_compression(directory.path(), wanted);
    EXPECT_EQ(remembered_compression(directory.path()), wanted);
  }
}

TEST(RememberedCompression, IsNothingWhereTheFileMakesNoSenseOrCannotBeWritten) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() + "/compression") << "perhaps\n";
  EXPECT_EQ(remembered_compression(directory.path()), std::nullopt);
  remember_compression(directory.path() + "/gone", true);
  EXPECT_EQ(remembered_compression(directory.path() + "/gone"), std::nullopt);
}

}  // namespace
}  // namespace imapfs::app
