#include "imapfs/base/exception_barrier.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

namespace imapfs {
namespace {

TEST(ExceptionBarrier, MakesAnErrorOfWhatIsThrown) {
  EXPECT_TRUE(run_contained("a test", [] {}));
  const auto thrown = run_contained("a test", [] { throw std::runtime_error("a defect"); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().errnum, EIO);
  EXPECT_EQ(thrown.error().retry, Retry::never);
  EXPECT_NE(thrown.error().what.find("a defect"), std::string::npos);
  EXPECT_FALSE(run_contained("a test", [] { throw 1; }));
  EXPECT_FALSE(run_contained("a test", std::function<void()>()));
}

}  // namespace
}  // namespace imapfs
