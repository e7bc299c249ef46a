#include "imapfs/base/result.hpp"

#include <gtest/gtest.h>

namespace imapfs {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return fail(EINVAL, "{} is odd", number);
  return number / 2;
}

Result<int> quarter(int number) { return IMAPFS_TRY_WHILE("quarter", half(IMAPFS_TRY(half(number)))); }

TEST(Result, TryReturnsTheValue) { EXPECT_EQ(quarter(8).value(), 2); }

TEST(Result, TryReturnsTheErrorFromTheEnclosingFunction) {
  const auto result = quarter(3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EINVAL);
  EXPECT_EQ(result.error().what, "3 is odd");
}

TEST(Result, ContextIsAddedInFrontOfTheCause) { EXPECT_EQ(quarter(6).error().what, "quarter: 3 is odd"); }

TEST(Result, ASystemErrorNamesWhatFailedAndTheReason) {
  const Error error = system_error(ENOENT, "open /x");
  EXPECT_EQ(error.errnum, ENOENT);
  EXPECT_EQ(error.what, "open /x: No such file or directory");
}

}  // namespace
}  // namespace imapfs
