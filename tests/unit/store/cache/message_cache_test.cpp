#include "imapfs/store/message_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "cache_samples.hpp"

namespace imapfs::store {
namespace {

using namespace testing;
namespace fs = std::filesystem;

TEST(MessageCache, ABodyIsVisibleOnlyAfterCommitAndExactlyAsWritten) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  const std::string body("From: a\r\n\r\n\0\xff binary\r\n", 22);
  auto writer = std::move(cache.create(key(1), body.size()).value());
  EXPECT_TRUE(writer->cached());
  ASSERT_TRUE(writer->write_at(0, body));
  EXPECT_EQ(cache.open(key(1)), nullptr);
  EXPECT_FALSE(cache.contains(key(1)));
  writer->commit(body.size());
  EXPECT_TRUE(writer->cached());
  EXPECT_TRUE(cache.contains(key(1)));
  EXPECT_EQ(content(cache, key(1)), body);
  EXPECT_EQ(read_back(writer->descriptor(), body.size()), body);
  EXPECT_EQ(cache.usage().bytes, body.size());
  EXPECT_EQ(cache.usage().bodies, 1u);
}

TEST(MessageCache, BodiesOfOtherKeysAreNotMixedUp) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  store_body(cache, {"INBOX", UidValidity{1}, Uid{2}}, "a");
  EXPECT_FALSE(cache.open({"INBOX", UidValidity{2}, Uid{1}}));
  EXPECT_FALSE(cache.open({"INBOX", UidValidity{2}, Uid{2}}));
  EXPECT_FALSE(cache.open({"inbox", UidValidity{1}, Uid{2}}));
  EXPECT_EQ(content(cache, {"INBOX", UidValidity{1}, Uid{2}}), "a");
}

TEST(MessageCache, AnEmptyBodyIsABody) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "");
    EXPECT_EQ(content(cache, key(1)), "");
  }
  MessageCache cache(settings_for(directory));
  EXPECT_EQ(content(cache, key(1)), "");
}

TEST(MessageCache, RangesMayArriveInAnyOrder) {
  TemporaryDirectory directory;
  const std::string body = pattern(300'000);
  {
    MessageCache cache(settings_for(directory));
    auto writer = std::move(cache.create(key(1), body.size()).value());
    ASSERT_TRUE(writer->write_at(200'000, std::string_view(body).substr(200'000)));
    EXPECT_EQ(read_back(writer->descriptor(), 100'000, 200'000), body.substr(200'000));
    ASSERT_TRUE(writer->write_at(0, std::string_view(body).substr(0, 150'000)));
    ASSERT_TRUE(writer->write_at(150'000, std::string_view(body).substr(150'000, 50'000)));
    writer->commit(body.size());
    EXPECT_EQ(content(cache, key(1)), body);
  }
  stop_the_machine(directory);
  MessageCache cache(settings_for(directory));
  EXPECT_EQ(content(cache, key(1)), body) << "the checksum was computed over the finished file";
}

TEST(MessageCache, CommitCutsWhatWasWrittenBeyondTheLength) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto writer = std::move(cache.create(key(1), 4).value());
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcdefgh")));
  writer->commit(4);
  EXPECT_EQ(content(cache, key(1)), "abcd");
}

TEST(MessageCache, ABodyThatIsNotThereToItsEndIsNotPublished) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto writer = std::move(cache.create(key(1), 8).value());
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcd")));
  writer->commit(8);
  EXPECT_FALSE(writer->cached());
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_EQ(read_back(writer->descriptor(), 4), "abcd");
}

TEST(MessageCache, AWriterThatGivesUpLeavesNothingButItsDuplicatesReadable) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto writer = std::move(cache.create(key(1), 8).value());
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcd")));
  const int duplicate = ::dup(writer->descriptor());
  writer.reset();
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_TRUE(fs::is_empty(directory.path("tmp")));
  EXPECT_EQ(read_back(duplicate, 4), "abcd");
  ::close(duplicate);
}

TEST(MessageCache, NothingIsWrittenAfterCommit) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto writer = std::move(cache.create(key(1), 4).value());
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcd")));
  writer->commit(4);
  EXPECT_FALSE(writer->write_at(0, std::string_view("xxxx")));
  EXPECT_EQ(content(cache, key(1)), "abcd");
}

TEST(MessageCache, AnImpossibleOffsetIsAnError) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto writer = std::move(cache.create(key(1), 4).value());
  auto written = writer->write_at(0xffff'ffff'ffff'fff0ULL, std::string_view("abcd"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errnum, EFBIG);
}

TEST(MessageCache, OfTwoWritersOfTheSameKeyTheLastToCommitWinsAndCountsOnce) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  auto first = std::move(cache.create(key(1), 4).value());
  auto second = std::move(cache.create(key(1), 4).value());
  ASSERT_TRUE(first->write_at(0, std::string_view("aaaa")));
  ASSERT_TRUE(second->write_at(0, std::string_view("bbbbbb")));
  second->commit(6);
  first->commit(4);
  EXPECT_EQ(content(cache, key(1)), "aaaa");
  EXPECT_EQ(read_back(second->descriptor(), 6), "bbbbbb");
  EXPECT_EQ(cache.usage().bodies, 1u);
  EXPECT_EQ(cache.usage().bytes, 4u);
  EXPECT_EQ(files_of(directory).size(), 1u);
  store_body(cache, key(1), "aaaa");
  EXPECT_EQ(cache.usage().bytes, 4u);
  EXPECT_EQ(content(cache, key(1)), "aaaa");
}

TEST(MessageCache, RemoveDropsOneBody) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  store_body(cache, key(1), "a");
  store_body(cache, key(2), "b");
  cache.remove(key(1));
  cache.remove(key(99));
  EXPECT_FALSE(cache.contains(key(1)));
  EXPECT_TRUE(cache.contains(key(2)));
  EXPECT_EQ(files_of(directory).size(), 1u);
}

TEST(MessageCache, RemoveMailboxKeepsOtherMailboxesAndTheGivenUidValidity) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 20; ++uid) {
      store_body(cache, {"INBOX", UidValidity{1}, Uid{uid}}, "old");
      store_body(cache, {"INBOX", UidValidity{2}, Uid{uid}}, "new");
      store_body(cache, {"Sent", UidValidity{1}, Uid{uid}}, "sent");
    }
  }
  MessageCache cache(settings_for(directory));
  cache.remove_mailbox("INBOX", UidValidity{2});
  EXPECT_FALSE(cache.contains({"INBOX", UidValidity{1}, Uid{5}}));
  EXPECT_TRUE(cache.contains({"INBOX", UidValidity{2}, Uid{5}}));
  EXPECT_EQ(files_of(directory).size(), 40u);
  cache.remove_mailbox("INBOX");
  EXPECT_FALSE(cache.contains({"INBOX", UidValidity{2}, Uid{5}}));
  EXPECT_TRUE(cache.contains({"Sent", UidValidity{1}, Uid{5}}));
  EXPECT_EQ(files_of(directory).size(), 20u);
}

// -- the limit --

TEST(MessageCache, TheLeastRecentlyUsedBodyIsEvictedFirst) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 1000));
  for (std::uint32_t uid = 1; uid <= 3; ++uid) store_body(cache, key(uid), std::string(300, 'x'));
  cache.wait_for_scan();
  EXPECT_TRUE(cache.open(key(1)));
  store_body(cache, key(4), std::string(300, 'x'));
  EXPECT_TRUE(cache.contains(key(1)));
  EXPECT_FALSE(cache.contains(key(2)));
  EXPECT_TRUE(cache.contains(key(3)));
  EXPECT_TRUE(cache.contains(key(4)));
  EXPECT_EQ(cache.usage().bytes, 900u);
  EXPECT_EQ(files_of(directory).size(), 3u);
}

TEST(MessageCache, TheNewestBodyMayExceedTheLimitAlone) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 1000));
  cache.wait_for_scan();
  store_body(cache, key(1), std::string(300, 'x'));
  store_body(cache, key(2), std::string(5000, 'y'));
  EXPECT_FALSE(cache.contains(key(1)));
  EXPECT_EQ(content(cache, key(2)), std::string(5000, 'y'));
  store_body(cache, key(3), std::string(300, 'x'));
  EXPECT_FALSE(cache.contains(key(2)));
}

TEST(MessageCache, ADescriptorStaysReadableAfterEviction) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory, 1000));
  cache.wait_for_scan();
  store_body(cache, key(1), std::string(800, 'x'));
  const auto open = cache.open(key(1));
  ASSERT_TRUE(open);
  store_body(cache, key(2), std::string(800, 'y'));
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_EQ(read_back(open->descriptor(), open->length(), open->offset()), std::string(800, 'x'));
}

TEST(MessageCache, ASmallerLimitIsEnforcedAtTheNextStartByLastUse) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 50; ++uid) store_body(cache, key(uid), std::string(100, 'x'));
  }
  // The times of last use, far enough apart for any file system.
  for (const auto& path : files_of(directory)) {
    const std::string name = path.filename().string();
    const auto uid = std::stol(name.substr(name.find('-', name.find('-') + 1) + 1));
    const timespec times[2] = {{1'700'000'000 + uid, 0}, {1'700'000'000 + (uid == 7 ? 1000 : uid), 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  MessageCache cache(settings_for(directory, 1000));
  cache.wait_for_scan();
  EXPECT_EQ(cache.usage().bodies, 10u);
  EXPECT_TRUE(cache.contains(key(7)));
  EXPECT_TRUE(cache.contains(key(50)));
  EXPECT_TRUE(cache.contains(key(42)));
  EXPECT_FALSE(cache.contains(key(41)));
  EXPECT_EQ(files_of(directory).size(), 10u);
}

TEST(MessageCache, AUseIsWrittenToDiskAtMostOnceAMinute) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "a");
  }
  const auto path = files_of(directory).at(0);
  const timespec long_ago[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  const auto modified = [&] {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mtim;
  };
  MessageCache cache(settings_for(directory));
  ASSERT_TRUE(cache.open(key(1)));
  EXPECT_GT(modified().tv_sec, 1'700'000'000);
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  ASSERT_TRUE(cache.open(key(1)));
  EXPECT_EQ(modified().tv_sec, 1'700'000'000);
}

// -- without a disk --

TEST(MessageCache, WithoutADirectoryBodiesLiveInMemoryWhileTheyAreOpen) {
  MessageCache cache(MessageCache::Settings{});
  auto writer = std::move(cache.create(key(1), 8).value());
  EXPECT_FALSE(writer->cached());
  ASSERT_TRUE(writer->write_at(4, std::string_view("efgh")));
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcd")));
  writer->commit(8);
  EXPECT_FALSE(writer->cached());
  EXPECT_EQ(read_back(writer->descriptor(), 8), "abcdefgh");
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_GT(cache.usage().memory_bytes, 0u);
  EXPECT_FALSE(cache.usage().disk_usable);
  cache.remove(key(1));
  cache.remove_mailbox("INBOX");
  writer.reset();
  EXPECT_EQ(cache.usage().memory_bytes, 0u);
}

TEST(MessageCache, MemoryIsBoundedInTotal) {
  MessageCache::Settings settings;
  settings.memory_limit = 1 << 20;
  MessageCache cache(settings);
  auto refused = cache.create(key(1), (1 << 20) + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, ENOSPC);
  const std::string block(600'000, 'x');
  auto first = std::move(cache.create(key(1), block.size()).value());
  ASSERT_TRUE(first->write_at(0, block));
  auto second = std::move(cache.create(key(2), 10).value());
  auto written = second->write_at(0, block);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errnum, ENOSPC);
  EXPECT_LE(cache.usage().memory_bytes, 1u << 20);
  first.reset();
  EXPECT_TRUE(second->write_at(0, block));
}

TEST(MessageCache, HolesDoNotCountAsMemory) {
  MessageCache::Settings settings;
  settings.memory_limit = 1 << 20;
  MessageCache cache(settings);
  auto writer = std::move(cache.create(key(1), 0).value());
  EXPECT_TRUE(writer->write_at(100 << 20, std::string_view("end")));
  EXPECT_LE(cache.usage().memory_bytes, 1u << 20);
}

TEST(MessageCache, AnUnusableDirectoryIsTriedAgainLater) {
  TemporaryDirectory directory;
  write_file(directory.path("cache"), "in the way");
  auto settings = settings_for(directory);
  settings.directory = directory.path("cache");
  settings.disk_retry_after = std::chrono::milliseconds(0);
  MessageCache cache(settings);
  EXPECT_FALSE(cache.usage().disk_usable);
  EXPECT_FALSE(std::move(cache.create(key(1), 1).value())->cached());
  EXPECT_FALSE(cache.open(key(1)));
  fs::remove(directory.path("cache"));
  store_body(cache, key(1), "a");
  EXPECT_EQ(content(cache, key(1)), "a");
  EXPECT_TRUE(cache.usage().disk_usable);
}

TEST(MessageCache, ADiskThatFailedIsLeftAloneForAWhile) {
  TemporaryDirectory directory;
  write_file(directory.path("cache"), "in the way");
  auto settings = settings_for(directory);
  settings.directory = directory.path("cache");
  settings.disk_retry_after = std::chrono::hours(1);
  MessageCache cache(settings);
  fs::remove(directory.path("cache"));
  EXPECT_FALSE(std::move(cache.create(key(1), 1).value())->cached());
  EXPECT_FALSE(fs::exists(directory.path("cache")));
}

TEST(MessageCache, AWriterMayOutliveTheCache) {
  TemporaryDirectory directory;
  std::unique_ptr<BodyWriter> writer;
  {
    MessageCache cache(settings_for(directory));
    writer = std::move(cache.create(key(1), 4).value());
  }
  ASSERT_TRUE(writer->write_at(0, std::string_view("abcd")));
  writer->commit(4);
  EXPECT_FALSE(writer->cached());
  EXPECT_EQ(read_back(writer->descriptor(), 4), "abcd");
  writer.reset();
  EXPECT_TRUE(files_of(directory).empty());
}

}  // namespace
}  // namespace imapfs::store
