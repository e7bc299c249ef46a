// What becomes of the index when its file is damaged, the disk is full, or the process is killed.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>

#include "sample_messages.hpp"

namespace imapfs::store {
namespace {

using namespace testing;
namespace fs = std::filesystem;

/// Opens the file behind the store's back.
void execute(const std::string& path, const std::string& sql) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE);
  database.exec(sql);
}

struct Damage {
  const char* name;
  std::function<void(const std::string&)> inflict;
};

class DamagedIndex : public ::testing::TestWithParam<Damage> {};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all = {
      {"Garbage", [](const std::string& path) { write_file(path, std::string(20'000, 'x')); }},
      {"TruncatedInTheMiddle", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); }},
      {"TruncatedByAByte", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 1); }},
      {"FlippedHeader",
       [](const std::string& path) {
         std::string content = read_file(path);
         content[3] = static_cast<char>(content[3] ^ 0x10);
         write_file(path, content);
       }},
      {"FlippedPageSize",
       [](const std::string& path) {
         std::string content = read_file(path);
         content[16] = static_cast<char>(content[16] ^ 0x03);
         write_file(path, content);
       }},
      {"DamagedSchema",
       [](const std::string& path) {
         std::string content = read_file(path);
         for (std::size_t at = 100; at < 4096; ++at) content[at] = static_cast<char>(content[at] ^ 0x5a);
         write_file(path, content);
       }},
      {"DatabaseOfAnotherProgram",
       [](const std::string& path) {
         fs::remove(path);
         SQLite::Database other(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
         other.exec("CREATE TABLE bookmarks (a); PRAGMA application_id=5");
       }},
      {"Directory", [](const std::string& path) { fs::remove(path), fs::create_directory(path); }},
      {"Link",
       [](const std::string& path) {
         fs::rename(path, path + ".real");
         fs::create_symlink(path + ".real", path);
       }},
  };
  return all;
}

TEST_P(DamagedIndex, IsSetAsideAndRebuilt) {
  TemporaryDirectory directory;
  MetadataStore::open(directory.path())->apply(batch_of(1, 500));
  GetParam().inflict(index_of(directory));
  auto store = MetadataStore::open(directory.path());
  EXPECT_FALSE(store->disabled()) << store->last_error();
  EXPECT_TRUE(fs::exists(fs::symlink_status(index_of(directory) + ".corrupt-1")));
  EXPECT_TRUE(rows(*store).empty());
  EXPECT_FALSE(store->state("INBOX"));
  store->apply(batch_of(1, 2));
  EXPECT_EQ(uids(*store).size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(EveryKind, DamagedIndex, ::testing::ValuesIn(damages()),
                         [](const auto& damage) { return std::string(damage.param.name); });

TEST(MetadataStore, AnEmptyFileIsANewOne) {
  TemporaryDirectory directory;
  write_file(index_of(directory), "");
  auto store = MetadataStore::open(directory.path());
  store->apply(batch_of(1, 2));
  EXPECT_EQ(uids(*store).size(), 2u);
  EXPECT_FALSE(fs::exists(index_of(directory) + ".corrupt-1"));
}

TEST(MetadataStore, ANewerFileIsSetAsideUnharmed) {
  TemporaryDirectory directory;
  MetadataStore::open(directory.path())->apply(batch_of(1, 5));
  execute(index_of(directory), "PRAGMA user_version=9999");
  auto store = MetadataStore::open(directory.path());
  EXPECT_FALSE(store->disabled());
  EXPECT_TRUE(rows(*store).empty());
  SQLite::Database kept(index_of(directory) + ".newer-1", SQLite::OPEN_READWRITE);
  EXPECT_EQ(kept.execAndGet("SELECT count(*) FROM message").getInt(), 5);
}

TEST(MetadataStore, FilesSetAsideDoNotPileUp) {
  TemporaryDirectory directory;
  for (int round = 1; round <= 6; ++round) {
    write_file(index_of(directory), std::string(5000, static_cast<char>('a' + round)));
    EXPECT_FALSE(MetadataStore::open(directory.path())->disabled());
  }
  for (int number = 1; number <= 6; ++number)
    EXPECT_EQ(fs::exists(index_of(directory) + ".corrupt-" + std::to_string(number)), number > 3)
        << "the last are kept";
  EXPECT_EQ(read_file(index_of(directory) + ".corrupt-6")[0], 'a' + 6);
}

/// Every byte of a row's text and numbers is covered: what a damaged file serves is what was written, or nothing.
TEST(MetadataStore, AFlippedByteAnywhereIsNeverServed) {
  TemporaryDirectory directory;
  MetadataStore::open(directory.path())->apply(batch_of(1, 40));
  const std::string intact = read_file(index_of(directory));
  const auto expected_headers = message(20).headers;
  for (std::size_t at = 0; at < intact.size(); at += 61) {
    std::string damaged = intact;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x04);
    for (const auto& entry : fs::directory_iterator(directory.path())) fs::remove_all(entry);
    write_file(index_of(directory), damaged);
    auto store = MetadataStore::open(directory.path());
    const auto found_state = store->state("INBOX");
    if (found_state) {
      EXPECT_EQ(found_state->uid_next, Uid{41}) << at;
      EXPECT_EQ(found_state->highest_modseq, state(41).highest_modseq) << at;
    }
    for (const auto& meta : rows(*store)) {
      ASSERT_GE(meta.uid.value, 1u) << at;
      ASSERT_LE(meta.uid.value, 40u) << at;
      const auto expected = message(meta.uid.value).meta;
      ASSERT_EQ(meta.file_name, expected.file_name) << at;
      ASSERT_EQ(meta.size, expected.size) << at;
      ASSERT_EQ(meta.internal_date, expected.internal_date) << at;
      ASSERT_EQ(meta.modseq, expected.modseq) << at;
      ASSERT_EQ(meta.flags, expected.flags) << at;
    }
    const auto headers = store->headers("INBOX", Uid{20});
    ASSERT_EQ(headers.value_or(expected_headers).subject, expected_headers.subject) << at;
  }
}

TEST(MetadataStore, DamageMetLaterTurnsItOffAndTheNextStartSetsTheFileAside) {
  TemporaryDirectory directory;
  MetadataStore::open(directory.path())->apply(batch_of(1, 5000));
  std::string content = read_file(index_of(directory));
  const std::size_t name = content.find("Lunch-on-Friday.4000");
  ASSERT_NE(name, std::string::npos);
  content[name] = 'M';
  write_file(index_of(directory), content);
  {
    auto store = MetadataStore::open(directory.path());
    ASSERT_FALSE(store->disabled());
    std::uint32_t count = 0;
    EXPECT_FALSE(store->for_each_message("INBOX", [&](const MessageMeta&) { ++count; }));
    EXPECT_LT(count, 5000u);
    EXPECT_TRUE(store->disabled());
    EXPECT_FALSE(store->last_error().empty());
    EXPECT_FALSE(store->state("INBOX"));
    store->apply(batch_of(1, 2));
    EXPECT_TRUE(rows(*store).empty());
  }
  auto store = MetadataStore::open(directory.path());
  EXPECT_FALSE(store->disabled());
  EXPECT_TRUE(rows(*store).empty());
  EXPECT_TRUE(fs::exists(index_of(directory) + ".corrupt-1"));
  EXPECT_FALSE(fs::exists(index_of(directory) + ".suspect"));
}

TEST(MetadataStore, AFullDiskTurnsItOffAndKeepsWhatWasCommitted) {
  TemporaryDirectory directory;
  MetadataStore::open(directory.path())->apply(batch_of(1, 10));
  EXPECT_EQ(in_child([&] {
              auto store = MetadataStore::open(directory.path());
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit small{200'000, 200'000};
              ::setrlimit(RLIMIT_FSIZE, &small);
              store->apply(batch_of(11, 5000));
              if (!store->disabled()) return 1;
              if (store->last_error().empty()) return 2;
              if (!rows(*store).empty()) return 3;
              store->apply(batch_of(11, 12));
              return 0;
            }),
            0);
  auto store = MetadataStore::open(directory.path());
  EXPECT_FALSE(store->disabled());
  EXPECT_EQ(uids(*store).size(), 10u);
  EXPECT_EQ(store->state("INBOX")->uid_next, Uid{11});
}

TEST(MetadataStore, AfterKillNineStateAndRowsAgree) {
  TemporaryDirectory directory;
  for (int round = 0; round < 8; ++round) {
    int progress[2];
    ASSERT_EQ(::pipe(progress), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = MetadataStore::open(directory.path());
      const auto kept = store->state("INBOX");
      std::uint32_t next = kept ? kept->uid_next.value : 1;
      while (true) {
        store->apply(batch_of(next, next + 199));
        next += 200;
        if (::write(progress[1], "x", 1) != 1) ::_exit(1);
      }
    }
    ::close(progress[1]);
    char byte = 0;
    for (int batches = 0; batches <= round; ++batches) ASSERT_EQ(::read(progress[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(progress[0]);
    auto store = MetadataStore::open(directory.path());
    ASSERT_FALSE(store->disabled()) << store->last_error();
    const auto kept = store->state("INBOX");
    ASSERT_TRUE(kept);
    const auto found = uids(*store);
    ASSERT_EQ(found.size() + 1, kept->uid_next.value);
    ASSERT_EQ(found.back() + 1, kept->uid_next.value);
    ASSERT_EQ(store->usage().messages, found.size());
  }
}

TEST(MetadataStore, ASecondStoreOnTheSameFileIsDisabledAndHarmsNothing) {
  TemporaryDirectory directory;
  auto first = MetadataStore::open(directory.path());
  first->apply(batch_of(1, 2));
  EXPECT_EQ(in_child([&] { return MetadataStore::open(directory.path())->disabled() ? 0 : 1; }), 0);
  first->apply(batch_of(3, 4));
  EXPECT_EQ(uids(*first).size(), 4u);
}

}  // namespace
}  // namespace imapfs::store
