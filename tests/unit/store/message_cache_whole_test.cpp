// Bodies that are given to the cache whole: written under their final names at once.
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "cache_samples.hpp"

namespace imapfs::store {
namespace {

using namespace testing;
namespace fs = std::filesystem;

TEST(MessageCacheWhole, IsReadAsItWasStoredAndSurvivesARestart) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 300; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(uid * 100, uid)));
    ASSERT_TRUE(cache.store(key(301), {}));
    EXPECT_EQ(content(cache, key(17)), pattern(1700, 17));
    EXPECT_EQ(cache.usage().bodies, 301u);
    EXPECT_TRUE(fs::is_empty(directory.file("tmp"))) << "no detour";
  }
  MessageCache cache(settings_for(directory));
  for (std::uint32_t uid = 1; uid <= 300; ++uid) ASSERT_EQ(content(cache, key(uid)), pattern(uid * 100, uid)) << uid;
  EXPECT_EQ(content(cache, key(301)), "");
}

TEST(MessageCacheWhole, TakesThePlaceOfAnotherBodyAndOfTheSame) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  ASSERT_TRUE(store_body(cache, key(1), "first"));
  ASSERT_TRUE(cache.store(key(1), std::string_view("second, longer")));
  ASSERT_TRUE(cache.store(key(1), std::string_view("second, longer")));
  EXPECT_EQ(content(cache, key(1)), "second, longer");
  EXPECT_EQ(files_of(directory).size(), 1u);
  EXPECT_EQ(cache.usage().bytes, 14u);
}

TEST(MessageCacheWhole, WhatAProcessLeftHalfWrittenIsNeverServed) {
  TemporaryDirectory directory;
  EXPECT_EQ(in_child([&] {
              MessageCache cache(settings_for(directory));
              cache.store(key(1), std::string_view("whole"));
              // The process is killed in the middle of the next file.
              const rlimit limit{4096, 4096};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              cache.store(key(2), pattern(10'000));
              return 0;
            }),
            -SIGXFSZ);
  EXPECT_EQ(files_of(directory).size(), 2u);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_EQ(content(cache, key(1)), "whole");
    EXPECT_FALSE(cache.open(key(2)));
    cache.wait_for_scan();
    EXPECT_EQ(files_of(directory).size(), 1u);
    ASSERT_TRUE(cache.store(key(2), pattern(10'000)));
    EXPECT_EQ(content(cache, key(2)), pattern(10'000));
  }
}

TEST(MessageCacheWhole, TheLimitHoldsForThemToo) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 10'000));
  cache.wait_for_scan();
  for (std::uint32_t uid = 1; uid <= 50; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(1000, uid)));
  EXPECT_LE(cache.usage().bytes, 10'000u);
  EXPECT_EQ(content(cache, key(50)), pattern(1000, 50));
  EXPECT_FALSE(cache.contains(key(1)));
}

TEST(MessageCacheWhole, WithoutADiskNothingIsKept) {
  MessageCache cache(MessageCache::Settings{});
  EXPECT_FALSE(cache.store(key(1), std::string_view("octets")));
  EXPECT_FALSE(cache.contains(key(1)));
}

TEST(MessageCacheWhole, AScanBesideItRemovesNothingThatIsBeingWritten) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 2000; ++uid) cache.store(key(uid), pattern(10, uid));
  }
  // The scan runs meanwhile.
  MessageCache cache(settings_for(directory));
  for (std::uint32_t uid = 2001; uid <= 4000; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(5000, uid)));
  cache.wait_for_scan();
  for (std::uint32_t uid = 2001; uid <= 4000; ++uid) ASSERT_EQ(content(cache, key(uid)), pattern(5000, uid)) << uid;
  EXPECT_EQ(cache.usage().bodies, 4000u);
}

}  // namespace
}  // namespace imapfs::store
