// What the body cache makes of what it finds at its start, of a full disk, and of many threads.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "cache_samples.hpp"

namespace imapfs::store {
namespace {

using namespace testing;
namespace fs = std::filesystem;

TEST(MessageCacheRestart, BodiesSurviveAndAreFoundBeforeTheScanHasEnded) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 500; ++uid) ASSERT_TRUE(store_body(cache, key(uid), pattern(uid, uid)));
  }
  EXPECT_FALSE(fs::exists(directory.path("in-use")));
  MessageCache cache(settings_for(directory));
  for (std::uint32_t uid = 500; uid >= 1; --uid) ASSERT_EQ(content(cache, key(uid)), pattern(uid, uid)) << uid;
  EXPECT_FALSE(cache.open(key(501)));
  cache.wait_for_scan();
  EXPECT_EQ(cache.usage().bodies, 500u);
  EXPECT_EQ(cache.usage().bytes, 500u * 501u / 2);
  EXPECT_TRUE(fs::is_empty(directory.path("tmp")));
}

TEST(MessageCacheRestart, WhatKillNineLeftHalfWrittenIsGoneAndWhatWasCommittedIsWhole) {
  TemporaryDirectory directory;
  EXPECT_EQ(in_child([&] {
              MessageCache cache(settings_for(directory));
              store_body(cache, key(1), "whole");
              auto writer = std::move(cache.create(key(2), 100).value());
              if (!writer->write_at(0, std::string_view("half"))) return 1;
              ::raise(SIGKILL);
              return 0;
            }),
            -SIGKILL);
  EXPECT_FALSE(fs::is_empty(directory.path("tmp")));
  MessageCache cache(settings_for(directory));
  EXPECT_TRUE(fs::is_empty(directory.path("tmp")));
  EXPECT_EQ(content(cache, key(1)), "whole");
  EXPECT_FALSE(cache.open(key(2)));
}

TEST(MessageCacheRestart, AFileWithoutTheLengthInItsNameIsDropped) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "abcdef");
  }
  fs::resize_file(files_of(directory).at(0), 3);
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(1)));
  cache.wait_for_scan();
  EXPECT_TRUE(files_of(directory).empty());
}

TEST(MessageCacheRestart, AFileThatShrinksWhileInUseIsDropped) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  store_body(cache, key(1), "abcdef");
  fs::resize_file(files_of(directory).at(0), 3);
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_FALSE(cache.contains(key(1)));
  EXPECT_EQ(cache.usage().bytes, 0u);
}

TEST(MessageCacheRestart, AFileRemovedBehindItsBackIsAMiss) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  store_body(cache, key(1), "abcdef");
  fs::remove(files_of(directory).at(0));
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_FALSE(cache.contains(key(1)));
  EXPECT_TRUE(store_body(cache, key(1), "abcdef"));
  EXPECT_EQ(content(cache, key(1)), "abcdef");
}

TEST(MessageCacheRestart, ALinkInPlaceOfABodyIsNotFollowed) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "abcdef");
  }
  const auto path = files_of(directory).at(0);
  write_file(directory.path("secret"), "secret");
  fs::remove(path);
  fs::create_symlink(directory.path("secret"), path);
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_EQ(read_file(directory.path("secret")), "secret");
}

TEST(MessageCacheRestart, StrangeFilesAreRemoved) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "abcdef");
  }
  const auto folder = files_of(directory).at(0).parent_path();
  for (const char* name : {"x", "0-0-0-0-0", "0000000000000000-01-1-0-00000000", "0000000000000000-1-1-0-0000000g",
                           "0000000000000000-1-4294967296-0-00000000", "0000000000000000-1-1-0-00000000-", "-----"}) {
    write_file((folder / name).string(), "");
  }
  MessageCache cache(settings_for(directory));
  cache.wait_for_scan();
  EXPECT_EQ(files_of(directory).size(), 1u);
  EXPECT_EQ(content(cache, key(1)), "abcdef");
}

TEST(MessageCacheRestart, OfTwoFilesForOneBodyTheNewerIsServed) {
  TemporaryDirectory directory;
  fs::path older;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), "older");
    older = files_of(directory).at(0);
    fs::copy_file(older, directory.path("kept"));
    store_body(cache, key(1), "the newer");
  }
  fs::rename(directory.path("kept"), older);
  const timespec long_ago[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, older.c_str(), long_ago, 0), 0);
  MessageCache cache(settings_for(directory));
  EXPECT_EQ(content(cache, key(1)), "the newer");
  cache.wait_for_scan();
  EXPECT_EQ(files_of(directory).size(), 1u);
  EXPECT_EQ(cache.usage().bytes, 9u);
}

void flip_a_byte(const fs::path& path) {
  std::string body = read_file(path.string());
  body.at(body.size() / 2) = static_cast<char>(body.at(body.size() / 2) ^ 1);
  write_file(path.string(), body);
}

TEST(MessageCacheRestart, AfterAnUncleanStopOfTheMachineATornBodyIsNotServed) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), pattern(100'000));
  }
  flip_a_byte(files_of(directory).at(0));
  stop_the_machine(directory);
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(1)));
  EXPECT_TRUE(files_of(directory).empty());
}

TEST(MessageCacheRestart, WhatWasNotVerifiedInOneRunIsVerifiedInALaterOne) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), pattern(1000));
    store_body(cache, key(2), pattern(2000));
  }
  for (const auto& path : files_of(directory)) {
    if (path.filename().string().find("-2-2000-") != std::string::npos) flip_a_byte(path);
  }
  stop_the_machine(directory);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_EQ(content(cache, key(1)), pattern(1000));
  }
  EXPECT_FALSE(fs::exists(directory.path("in-use")));
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(2)));
  EXPECT_EQ(content(cache, key(1)), pattern(1000));
}

TEST(MessageCacheRestart, AfterACleanCloseOnlyWhatWasWrittenShortlyBeforeIsVerifiedOnTheNextBoot) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), pattern(1000));
  }
  flip_a_byte(files_of(directory).at(0));
  {
    MessageCache cache(settings_for(directory));
    EXPECT_TRUE(cache.open(key(1))) << "same boot: the kernel has it all";
  }
  write_file(directory.path("closed"), "00000000-0000-0000-0000-000000000000\n");
  const timespec later[2] = {{4'000'000'000, 0}, {4'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, directory.path("closed").c_str(), later, 0), 0);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_TRUE(cache.open(key(1))) << "closed long after the body was written";
  }
  write_file(directory.path("closed"), "00000000-0000-0000-0000-000000000000\n");
  MessageCache cache(settings_for(directory));
  EXPECT_FALSE(cache.open(key(1)));
}

TEST(MessageCacheRestart, AVerifiedBodyIsNotReadAgain) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    store_body(cache, key(1), pattern(1000));
  }
  stop_the_machine(directory);
  {
    MessageCache cache(settings_for(directory));
    EXPECT_TRUE(cache.open(key(1)));
    // Damage that only reading would find: it stays unseen, as nothing says that the disk lost anything.
    flip_a_byte(files_of(directory).at(0));
    EXPECT_TRUE(cache.open(key(1)));
  }
  MessageCache cache(settings_for(directory));
  EXPECT_TRUE(cache.open(key(1)));
}

TEST(MessageCacheRestart, AKilledProcessIsNoReasonToVerify) {
  TemporaryDirectory directory;
  EXPECT_EQ(in_child([&] {
              MessageCache cache(settings_for(directory));
              store_body(cache, key(1), pattern(1000));
              ::raise(SIGKILL);
              return 0;
            }),
            -SIGKILL);
  EXPECT_TRUE(fs::exists(directory.path("in-use")));
  flip_a_byte(files_of(directory).at(0));
  MessageCache cache(settings_for(directory));
  EXPECT_TRUE(cache.open(key(1)));
}

// -- a full disk --

/// A file system of `bytes` at `path`, in this process's own mount namespace. Only where the kernel lets us.
bool mount_small_disk(const std::string& path, std::size_t bytes) {
  if (::geteuid() != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) != 0) return false;
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  const std::string options = "mode=0700,size=" + std::to_string(bytes);
  return ::mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0;
}

constexpr int skipped = 77;

TEST(MessageCacheDisk, WhenItFillsUpHalfWayTheBodyMovesToMemoryUnderTheSameDescriptor) {
  TemporaryDirectory directory;
  const int outcome = in_child([&] {
    if (!mount_small_disk(directory.path(), 1 << 20)) return skipped;
    MessageCache cache(settings_for(directory));
    if (!store_body(cache, key(1), pattern(100'000))) return 1;
    const std::string body = pattern(4 << 20, 9);
    auto writer = std::move(cache.create(key(2), body.size()).value());
    const int descriptor = writer->descriptor();
    // The last block first: the move keeps bytes behind a hole.
    const std::size_t block = 65'536;
    for (std::size_t offset = body.size(); offset > 0; offset -= block) {
      if (!writer->write_at(offset - block, std::string_view(body).substr(offset - block, block))) return 2;
      if (read_back(descriptor, block, offset - block) != body.substr(offset - block, block)) return 3;
    }
    if (writer->descriptor() != descriptor || writer->cached()) return 4;
    writer->commit(body.size());
    if (writer->cached() || read_back(descriptor, body.size()) != body) return 5;
    if (cache.open(key(2)) || content(cache, key(1)) != pattern(100'000)) return 6;
    if (cache.usage().disk_usable || cache.usage().memory_bytes < body.size()) return 7;
    if (!fs::is_empty(directory.path("tmp"))) return 8;
    if (std::move(cache.create(key(3), 1).value())->cached()) return 9;
    writer.reset();
    return cache.usage().memory_bytes == 0 ? 0 : 10;
  });
  if (outcome == skipped) GTEST_SKIP() << "cannot mount a file system here";
  EXPECT_EQ(outcome, 0);
}

TEST(MessageCacheDisk, AFullDiskIsUsedAgainWhenThereIsRoom) {
  TemporaryDirectory directory;
  const int outcome = in_child([&] {
    if (!mount_small_disk(directory.path(), 1 << 20)) return skipped;
    auto settings = settings_for(directory);
    settings.disk_retry_after = std::chrono::milliseconds(0);
    MessageCache cache(settings);
    if (store_body(cache, key(1), pattern(2 << 20))) return 1;
    if (cache.usage().disk_usable) return 2;
    if (!store_body(cache, key(2), pattern(1000))) return 3;
    return cache.usage().disk_usable && content(cache, key(2)) == pattern(1000) ? 0 : 4;
  });
  if (outcome == skipped) GTEST_SKIP() << "cannot mount a file system here";
  EXPECT_EQ(outcome, 0);
}

TEST(MessageCacheDisk, AReadOnlyDiskServesWhatItHolds) {
  TemporaryDirectory directory;
  const int outcome = in_child([&] {
    if (!mount_small_disk(directory.path(), 1 << 20)) return skipped;
    {
      MessageCache cache(settings_for(directory));
      if (!store_body(cache, key(1), "abcdef")) return 1;
    }
    if (::mount(nullptr, directory.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return skipped;
    MessageCache cache(settings_for(directory));
    if (content(cache, key(1)) != "abcdef") return 2;
    auto writer = std::move(cache.create(key(2), 3).value());
    if (writer->cached() || !writer->write_at(0, std::string_view("abc"))) return 3;
    writer->commit(3);
    return read_back(writer->descriptor(), 3) == "abc" ? 0 : 4;
  });
  if (outcome == skipped) GTEST_SKIP() << "cannot mount a file system here";
  EXPECT_EQ(outcome, 0);
}

// -- many threads --

TEST(MessageCacheThreads, ReadersSeeAWholeBodyOrNoneWhileOthersWriteEvictAndRemove) {
  TemporaryDirectory directory;
  {
    MessageCache cache(settings_for(directory));
    for (std::uint32_t uid = 1; uid <= 40; ++uid) store_body(cache, key(uid), pattern(500 + uid, uid));
  }
  stop_the_machine(directory);
  MessageCache cache(settings_for(directory, 10'000));
  std::atomic<int> wrong{0};
  std::atomic<int> hits{0};
  {
    std::vector<std::jthread> readers;
    std::atomic<bool> over{false};
    for (int reader = 0; reader < 2; ++reader) {
      readers.emplace_back([&] {
        for (std::uint32_t round = 0; !over; ++round) {
          const std::uint32_t uid = round % 40 + 1;
          const auto file = cache.open(key(uid));
          if (!file) continue;
          ++hits;
          if (read_back(file->descriptor(), file->length(), file->offset()) != pattern(500 + uid, uid)) ++wrong;
          (void)cache.usage();
        }
      });
    }
    {
      std::vector<std::jthread> writers;
      for (int writer = 0; writer < 2; ++writer) {
        writers.emplace_back([&] {
          // A busy machine may give the readers no time before the writers have done their 200 rounds.
          for (std::uint32_t round = 0; round < 200 || (hits == 0 && round < 1'000'000); ++round) {
            const std::uint32_t uid = round % 40 + 1;
            store_body(cache, key(uid), pattern(500 + uid, uid));
            if (round % 17 == 0) cache.remove(key(uid));
            if (round == 100) cache.remove_mailbox("INBOX");
          }
        });
      }
    }
    over = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(hits, 0);
  EXPECT_LE(cache.usage().bytes, 10'000u);
  std::uint64_t on_disk = 0;
  for (const auto& path : files_of(directory)) on_disk += fs::file_size(path);
  EXPECT_LE(cache.usage().bytes, on_disk + 10'000);
  EXPECT_TRUE(store_body(cache, key(1), "the end"));
  EXPECT_EQ(content(cache, key(1)), "the end");
}

TEST(MessageCacheThreads, AReaderFollowsAWriterThroughItsDescriptor) {
  TemporaryDirectory directory;
  MessageCache cache(settings_for(directory));
  const std::string body = pattern(1 << 20);
  auto writer = std::move(cache.create(key(1), body.size()).value());
  std::atomic<std::size_t> arrived{0};
  std::atomic<bool> same{true};
  {
    std::jthread reader([&] {
      std::size_t seen = 0;
      while (seen < body.size()) {
        const std::size_t upto = arrived;
        if (upto == seen) {
          arrived.wait(upto);
          continue;
        }
        if (read_back(writer->descriptor(), upto - seen, seen) != body.substr(seen, upto - seen)) same = false;
        seen = upto;
      }
    });
    for (std::size_t offset = 0; offset < body.size(); offset += 8192) {
      ASSERT_TRUE(writer->write_at(offset, std::string_view(body).substr(offset, 8192)));
      arrived = offset + 8192;
      arrived.notify_one();
    }
    writer->commit(body.size());
  }
  EXPECT_TRUE(same);
  EXPECT_EQ(content(cache, key(1)), body);
}

}  // namespace
}  // namespace imapfs::store
