// Bodies that are given to the cache whole, and the packs that they are in.
#include <sys/resource.h>

#include <atomic>
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
    EXPECT_TRUE(fs::is_empty(directory.path("tmp"))) << "no detour";
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
  EXPECT_TRUE(files_of(directory).empty()) << "the first had a file of its own";
  EXPECT_EQ(cache.usage().bytes, 14u);
  ASSERT_TRUE(store_body(cache, key(1), "third"));
  EXPECT_EQ(content(cache, key(1)), "third");
  EXPECT_TRUE(packs_of(directory).empty());
}

TEST(MessageCacheWhole, WhatAProcessLeftHalfWrittenIsNeverServed) {
  TemporaryDirectory directory;
  EXPECT_EQ(in_child([&] {
              MessageCache cache(settings_for(directory));
              cache.store(key(1), std::string_view("whole"));
              // The process is killed in the middle of the next body.
              const rlimit limit{4096, 4096};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              cache.store(key(2), pattern(10'000));
              return 0;
            }),
            -SIGXFSZ);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_EQ(content(cache, key(1)), "whole");
    EXPECT_FALSE(cache.open(key(2)));
    cache.wait_for_scan();
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

// -- packs --

/// A cache with this many bodies in one pack.
MessageCache::Settings with_pack_of(const TemporaryDirectory& directory, std::uint32_t bodies) {
  auto settings = settings_for(directory);
  MessageCache cache(settings);
  for (std::uint32_t uid = 1; uid <= bodies; ++uid) cache.store(key(uid), pattern(1000, uid));
  return settings;
}

TEST(MessageCachePacks, ManyBodiesShareAFile) {
  TemporaryDirectory directory;
  with_pack_of(directory, 500);
  EXPECT_EQ(packs_of(directory).size(), 1u);
  EXPECT_TRUE(files_of(directory).empty());
}

TEST(MessageCachePacks, AFullPackIsFollowedByTheNext) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 160'000));
  for (std::uint32_t uid = 1; uid <= 30; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(1000, uid)));
  EXPECT_EQ(packs_of(directory).size(), 3u) << "of 10,000 octets each";
  for (std::uint32_t uid = 1; uid <= 30; ++uid) ASSERT_EQ(content(cache, key(uid)), pattern(1000, uid)) << uid;
}

TEST(MessageCachePacks, ThePackWithoutAUseForTheLongestTimeIsEvictedWhole) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 160'000));
  cache.wait_for_scan();
  for (std::uint32_t uid = 1; uid <= 160; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(1000, uid)));
  (void)cache.open(key(5));
  ASSERT_TRUE(cache.store(key(161), pattern(1000)));
  EXPECT_TRUE(cache.contains(key(1))) << "its pack was just used";
  for (std::uint32_t uid = 11; uid <= 20; ++uid) EXPECT_FALSE(cache.contains(key(uid))) << uid;
  EXPECT_TRUE(cache.contains(key(21)));
  EXPECT_EQ(packs_of(directory).size(), 16u);
}

TEST(MessageCachePacks, AReaderKeepsWhatIsEvictedOrRemoved) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 160'000));
  cache.wait_for_scan();
  ASSERT_TRUE(cache.store(key(1), pattern(1000, 1)));
  ASSERT_TRUE(cache.store(key(2), pattern(1000, 2)));
  const auto removed = cache.open(key(1));
  const auto evicted = cache.open(key(2));
  cache.remove(key(1));
  EXPECT_FALSE(cache.open(key(1)));
  for (std::uint32_t uid = 3; uid <= 500; ++uid) ASSERT_TRUE(cache.store(key(uid), pattern(1000, uid)));
  EXPECT_FALSE(cache.open(key(2)));
  EXPECT_EQ(read_back(removed->descriptor(), removed->length(), removed->offset()), pattern(1000, 1));
  EXPECT_EQ(read_back(evicted->descriptor(), evicted->length(), evicted->offset()), pattern(1000, 2));
}

TEST(MessageCachePacks, OfARemovedBodyNothingIsLeftOnTheDiskOnceNobodyReadsIt) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  ASSERT_TRUE(cache.store(key(1), std::string(100'000, 'x')));
  ASSERT_TRUE(cache.store(key(2), std::string(100'000, 'y')));
  const auto pack = packs_of(directory).at(0);
  auto reader = cache.open(key(1));
  cache.remove(key(1));
  EXPECT_NE(read_file(pack).find('x'), std::string::npos) << "somebody reads it";
  reader.reset();
  ASSERT_TRUE(cache.store(key(3), std::string(10, 'z')));
  cache.remove(key(3));
  EXPECT_EQ(read_file(pack).find('x'), std::string::npos);
  EXPECT_EQ(content(cache, key(2)), std::string(100'000, 'y'));
  EXPECT_EQ(cache.usage().bytes, 100'000u);
}

TEST(MessageCachePacks, ARemovedBodyDoesNotComeBackWithARestart) {
  TemporaryDirectory directory;
  {
    MessageCache cache(with_pack_of(directory, 3));
    cache.remove(key(2));
  }
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.contains(key(2)));
  EXPECT_EQ(content(cache, key(1)), pattern(1000, 1));
  EXPECT_EQ(content(cache, key(3)), pattern(1000, 3));
}

TEST(MessageCachePacks, APackOfWhichNothingIsLeftIsRemoved) {
  TemporaryDirectory directory;
  MessageCache cache(with_pack_of(directory, 3));
  for (std::uint32_t uid = 1; uid <= 3; ++uid) cache.remove(key(uid));
  EXPECT_TRUE(packs_of(directory).empty());
  ASSERT_TRUE(cache.store(key(1), std::string_view("again")));
  cache.remove_mailbox("INBOX");
  EXPECT_TRUE(packs_of(directory).empty());
  ASSERT_TRUE(cache.store(key(1), std::string_view("and again"))) << "although the pack being written is gone";
  EXPECT_EQ(content(cache, key(1)), "and again");
}

TEST(MessageCachePacks, OfTwoRecordsForOneBodyTheLaterIsServed) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    ASSERT_TRUE(cache.store(key(1), std::string_view("the earlier")));
    fs::copy_file(list_of(packs_of(directory).at(0)), directory.path("kept"));
    ASSERT_TRUE(cache.store(key(1), std::string_view("the later")));
  }
  // As if removing the first record had not reached the disk.
  const auto list = list_of(packs_of(directory).at(0));
  write_file(list,
             read_file(directory.path("kept")) + read_file(list).substr(read_file(directory.path("kept")).size()));
  MessageCache cache(settings_for(directory));
  EXPECT_EQ(content(cache, key(1)), "the later");
  EXPECT_EQ(cache.usage().bodies, 1u);
}

TEST(MessageCachePacks, AnEarlierProcessesPackIsNotWrittenTo) {
  TemporaryDirectory directory;
  MessageCache cache(with_pack_of(directory, 3));
  const auto size = fs::file_size(packs_of(directory).at(0));
  ASSERT_TRUE(cache.store(key(4), std::string_view("four")));
  EXPECT_EQ(packs_of(directory).size(), 2u);
  EXPECT_EQ(fs::file_size(packs_of(directory).at(0)), size);
}

TEST(MessageCachePacks, BodiesBeyondTheEndOfACutPackAreNotServed) {
  TemporaryDirectory directory;
  with_pack_of(directory, 3);
  fs::resize_file(packs_of(directory).at(0), 2500);
  MessageCache cache(settings_for(directory));
  EXPECT_EQ(content(cache, key(2)), pattern(1000, 2));
  EXPECT_FALSE(cache.open(key(3)));
  EXPECT_EQ(cache.usage().bodies, 2u);
  fs::resize_file(packs_of(directory).at(0), 1500);
  EXPECT_FALSE(cache.open(key(2))) << "cut while in use";
  EXPECT_EQ(content(cache, key(1)), pattern(1000, 1));
}

TEST(MessageCachePacks, ARecordThatIsNotWhatWasWrittenIsIgnored) {
  TemporaryDirectory directory;
  with_pack_of(directory, 3);
  const auto list = list_of(packs_of(directory).at(0));
  const auto records = read_file(list);
  const auto size = records.size() / 3;
  for (std::size_t at = size; at < 2 * size; ++at) {
    auto damaged = records;
    damaged.at(at) = static_cast<char>(damaged.at(at) ^ 0x40);
    write_file(list, damaged + "half a record");
    MessageCache cache(settings_for(directory));
    ASSERT_FALSE(cache.open(key(2))) << at;
    ASSERT_EQ(content(cache, key(1)), pattern(1000, 1));
    ASSERT_EQ(content(cache, key(3)), pattern(1000, 3));
    cache.wait_for_scan();
    ASSERT_EQ(cache.usage().bodies, 2u);
  }
}

TEST(MessageCachePacks, WhatIsNoPackIsRemovedAndALinkIsNotFollowed) {
  TemporaryDirectory directory;
  with_pack_of(directory, 1);
  const auto folder = packs_of(directory).at(0).parent_path();
  for (const char* name : {"x", "0", "01", "7.list", "8", "9.LIST", "10000000000000000"})
    write_file((folder / name).string(), "octets");
  write_file(directory.path("elsewhere"), "secret");
  fs::remove(folder / "1");
  fs::create_symlink(directory.path("elsewhere"), folder / "1");
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(1)));
  cache.wait_for_scan();
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_EQ(read_file(directory.path("elsewhere")), "secret");
}

TEST(MessageCachePacks, AfterAnUncleanStopOfTheMachineATornBodyIsNotServedAndOthersAreReadOnce) {
  TemporaryDirectory directory;
  with_pack_of(directory, 3);
  auto octets = read_file(packs_of(directory).at(0));
  octets.at(1500) = static_cast<char>(octets.at(1500) ^ 1);
  write_file(packs_of(directory).at(0), octets);
  stop_the_machine(directory);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_EQ(content(cache, key(1)), pattern(1000, 1));
    EXPECT_FALSE(cache.open(key(2)));
  }
  // What was found intact is not compared again: nobody would notice this.
  octets.at(500) = static_cast<char>(octets.at(500) ^ 1);
  octets.at(2500) = static_cast<char>(octets.at(2500) ^ 1);
  write_file(packs_of(directory).at(0), octets);
  MessageCache cache(settings_for(directory));
  EXPECT_TRUE(cache.open(key(1)));
  EXPECT_FALSE(cache.open(key(3))) << "was not compared yet";
}

TEST(MessageCachePacks, ReadersSeeAWholeBodyOrNoneWhileOthersStoreEvictAndRemove) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 64'000));
  cache.wait_for_scan();
  std::atomic<int> wrong{0};
  std::atomic<bool> over{false};
  {
    std::vector<std::jthread> readers;
    for (int reader = 0; reader < 2; ++reader) {
      readers.emplace_back([&] {
        for (std::uint32_t round = 0; !over; ++round) {
          const std::uint32_t uid = round % 100 + 1;
          const auto body = content(cache, key(uid));
          if (body != "<miss>" && body != pattern(500 + uid, uid)) ++wrong;
        }
      });
    }
    for (std::uint32_t round = 0; round < 3000; ++round) {
      const std::uint32_t uid = round * 7 % 100 + 1;
      ASSERT_TRUE(cache.store(key(uid), pattern(500 + uid, uid)));
      if (round % 5 == 0) cache.remove(key(uid));
      if (round % 1000 == 999) cache.remove_mailbox("INBOX");
    }
    over = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.usage().bytes, 64'000u);
}

}  // namespace
}  // namespace imapfs::store
