// What becomes of the journal when its file is damaged or from the future, the disk is full, or the process is killed
// at any moment.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/resource.h>

#include <csignal>
#include <set>
#include <thread>

#include "journal_support.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store::testing {
namespace {

namespace fs = std::filesystem;

/// Changes the closed file behind the journal's back.
void execute(const std::string& path, const std::string& sql) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE);
  database.exec(sql);
}

class DamagedJournal : public JournalTest {
 protected:
  void SetUp() override {
    JournalTest::SetUp();
    change_ = add(flag_change(at("INBOX", 1)));
    auto file = staged_file("draft.eml");
    file_ = stage(file, "octets");
    path_ = database();
    journal.reset();
  }
  void expect_begun_anew(const std::string& kind) {
    journal = open();
    ASSERT_TRUE(journal);
    EXPECT_TRUE(fs::exists(path_ + "." + kind + "-1"));
    EXPECT_TRUE(changes().empty());
    const auto files = staged();
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].id, file_);
    EXPECT_EQ(files[0].state, StagedFile::State::refused);
    EXPECT_EQ(files[0].name, "recovered-" + std::to_string(file_.value) + ".eml");
    EXPECT_FALSE(files[0].reason.empty());
    EXPECT_GT(files[0].changed_at, 0);
    EXPECT_EQ(read_file(journal->staging_path(file_)), "octets");
    EXPECT_GT(add(flag_change(at("INBOX", 1))), change_);
    EXPECT_GT(stage(staged_file("x")), file_);
    ASSERT_TRUE(journal->unstage(file_));
    EXPECT_FALSE(fs::exists(journal->staging_path(file_)));
  }

  ChangeId change_;
  StagedId file_;
  std::string path_;
};

TEST_F(DamagedJournal, IsSetAsideAndStagedOctetsAreFoundAgain) {
  write_file(path_, std::string(20'000, 'x'));
  expect_begun_anew("corrupt");
}

TEST_F(DamagedJournal, OfANewerVersionIsRefusedAndLeftAsItIs) {
  execute(path_, "PRAGMA user_version=99");
  const auto refused = Journal::open(directory_.path(), journal_account);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EPROTONOSUPPORT);
  EXPECT_NE(refused.error().what.find(path_), std::string::npos) << refused.error().what;
  EXPECT_NE(refused.error().what.find("newer version"), std::string::npos) << refused.error().what;
  EXPECT_FALSE(fs::exists(path_ + ".newer-1"));
  execute(path_, "PRAGMA user_version=3");
  journal = open();
  EXPECT_EQ(changes().size(), 1u);
}

TEST_F(DamagedJournal, NeverTakesThePlaceOfOneThatWasSetAsideBefore) {
  for (int round = 1; round <= 5; ++round) {
    write_file(path_, std::string(20'000, static_cast<char>('a' + round)));
    ASSERT_TRUE(open()) << round;
  }
  for (int round = 1; round <= 5; ++round)
    EXPECT_EQ(read_file(path_ + ".corrupt-" + std::to_string(round))[0], static_cast<char>('a' + round)) << round;
}

TEST_F(DamagedJournal, IsNoticedByTheContentOfAChange) {
  execute(path_, "UPDATE change SET source_uid = 2");
  expect_begun_anew("corrupt");
}

TEST_F(DamagedJournal, IsNoticedByTheContentOfAStagedFile) {
  execute(path_, "UPDATE staged SET mailbox = 'Elsewhere'");
  expect_begun_anew("corrupt");
}

TEST_F(DamagedJournal, IsNoticedByItsLength) {
  fs::resize_file(path_, fs::file_size(path_) - 1);
  expect_begun_anew("corrupt");
}

TEST_F(JournalTest, AFullDiskIsReportedAndChangesNothing) {
  add(flag_change(at("INBOX", 1)));
  const auto id = stage(staged_file("kept.eml"));
  journal.reset();
  // A limit on the size of files is as good as a full disk: SQLite and the staging directory get an error from
  // write(2).
  const int outcome = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    auto opened = Journal::open(directory_.path(), journal_account);
    if (!opened) return 1;
    const rlimit limit{64 * 1024, 64 * 1024};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 10'000; ++i) {
      std::vector<JournalChange> added(20, flag_change(at("INBOX", 2), std::string(200, 'x')));
      const auto result = (*opened)->add(added);
      if (result) continue;
      if (added[0].id.value != 0) return 2;
      if (result.error().what.find("journal.sqlite") == std::string::npos) return 3;
      const auto found = (*opened)->changes();
      if (!found || (found->size() - 1) % 20 != 0) return 4;
      // There is room for this.
      return (*opened)->clear_sent({ChangeId{1}}) || result.error().errnum == ENOSPC || result.error().errnum == EIO
                 ? 0
                 : 5;
    }
    return 6;
  });
  EXPECT_EQ(outcome, 0);
  journal = open();
  EXPECT_EQ((changes().size() - 1) % 20, 0u);
  EXPECT_EQ(staged()[0].id, id);
}

constexpr std::uint64_t finished_bit = std::uint64_t{1} << 63;

/// Stages files and adds their appends until it is killed, ends every second one, and reports what it was promised: the
/// id when it was added, the id with finished_bit when it ended.
[[noreturn]] void work_until_killed(const std::string& root, int reports) {
  const auto report = [&](std::uint64_t value) {
    if (::write(reports, &value, sizeof value) < 0) ::_exit(5);
  };
  auto opened = Journal::open(root, journal_account);
  if (!opened) ::_exit(1);
  for (std::uint32_t turn = 1;; ++turn) {
    auto file = staged_file("x.eml");
    if (!(*opened)->stage(file)) ::_exit(2);
    write_file((*opened)->staging_path(file.id), "octets");
    std::vector<JournalChange> added{append_change(file.id)};
    if (!(*opened)->add(added)) ::_exit(3);
    report(added[0].id.value);
    if (turn % 2 == 0) continue;
    Journal::Ended ended;
    ended.changes.push_back({added[0].id, at("INBOX", turn), "x.eml", true});
    if (!(*opened)->finish(ended)) ::_exit(4);
    report(added[0].id.value | finished_bit);
  }
}

class KilledJournal : public JournalTest {
 protected:
  /// What the process has reported when it was killed, which is after at least `wanted` reports.
  std::vector<std::uint64_t> kill_after(std::size_t wanted) {
    int reports[2];
    EXPECT_EQ(::pipe(reports), 0);
    const pid_t child = ::fork();
    if (child == 0) work_until_killed(directory_.path(), reports[1]);
    ::close(reports[1]);
    std::vector<std::uint64_t> reported;
    std::uint64_t value = 0;
    while (::read(reports[0], &value, sizeof value) == sizeof value) {
      reported.push_back(value);
      if (reported.size() == wanted) ::kill(child, SIGKILL);
    }
    ::close(reports[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
    return reported;
  }
  void expect_promises_kept(const std::vector<std::uint64_t>& reported) {
    std::set<std::uint64_t> pending;
    for (const auto& change : changes()) pending.insert(change.id.value);
    const std::set<std::uint64_t> all(reported.begin(), reported.end());
    for (const auto report : reported) {
      const auto id = report & ~finished_bit;
      if (all.contains(id | finished_bit)) {
        EXPECT_FALSE(pending.contains(id)) << id << " was ended and has come back";
      } else if (report != reported.back()) {
        // The last one may have been ended without a report.
        EXPECT_TRUE(pending.contains(id)) << id << " is lost";
      }
    }
  }
  void expect_octets_of_changes() {
    std::set<StagedId> files;
    for (const auto& file : staged()) {
      files.insert(file.id);
      EXPECT_NE(file.state, StagedFile::State::refused) << "a removed file has come back";
    }
    for (const auto& change : changes()) {
      EXPECT_TRUE(files.contains(change.staged));
      EXPECT_EQ(read_file(journal->staging_path(change.staged)), "octets");
    }
    // At most the one that was being worked on has no change yet.
    EXPECT_LE(files.size(), changes().size() + 1);
  }
  void clear() {
    for (const auto& change : changes()) finish({change.id, {}, "", true});
    for (const auto& file : staged()) EXPECT_TRUE(journal->unstage(file.id));
    fs::remove(journal->directory() + "/staging/spare");  // it holds nothing
    EXPECT_EQ(fs::directory_iterator(journal->directory() + "/staging"), fs::directory_iterator());
  }
};

TEST_F(KilledJournal, HasLostNothingThatWasReportedWhereverItWasKilled) {
  for (std::size_t round = 0; round < 20; ++round) {
    journal.reset();
    const auto reported = kill_after(round * 7 + 1);
    journal = open();
    expect_promises_kept(reported);
    expect_octets_of_changes();
    EXPECT_GT(add(flag_change(at("INBOX", 1))).value, reported.back() & ~finished_bit);
    clear();
  }
}

TEST_F(JournalTest, IsUsedByManyThreads) {
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (std::uint32_t i = 1; i <= 50; ++i) {
        const auto id = add(move_change(at("INBOX", thread * 1000 + i), "Archive"));
        EXPECT_TRUE(i % 10 != 0 || journal->sync());
        if (i % 2 == 0) finish({id, at("Archive", thread * 1000 + i), "x.eml", true});
        const auto file = stage(staged_file("x"));
        EXPECT_TRUE(journal->unstage(file));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(changes().size(), 100u);
  EXPECT_EQ(names("Archive").size(), 100u);
  EXPECT_TRUE(staged().empty());
}

/// A journal as the version before digests has left it.
class EarlierJournal : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path;
    {
      const auto journal = Journal::open(directory_.path(), journal_account).value();
      path = journal->directory() + "/journal.sqlite";
    }
    for (const auto* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
    auto schema = journal_schema();
    schema.migrations.resize(2);
    database_ = Database::open(path, schema).value();
    const std::string columns =
        "id, kind, source_mailbox, source_validity, source_uid, follows, destination, file_name, flag_action, flags,"
        " internal_date, size, message_id, staged, replaces_mailbox, replaces_validity, replaces_uid, removal, sent,"
        " destination_validity, destination_uid_next";
    const std::string values = "3, 5, '', 0, 0, 0, 'INBOX', 'a.eml', 0, '', 17, 12, '<a@b>', 1, '', 0, 0, '', 1, 7, 9";
    database_->execute("INSERT INTO change (" + columns + ", checksum) VALUES (" + values + ", row_checksum(" + values +
                       "))");
  }
  [[nodiscard]] std::vector<JournalChange> changes() {
    database_.reset();
    return Journal::open(directory_.path(), journal_account).value()->changes().value();
  }
  TemporaryDirectory directory_;
  std::unique_ptr<Database> database_;
};

TEST_F(EarlierJournal, KeepsItsChanges) {
  const auto kept = changes();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].id, ChangeId{3});
  EXPECT_EQ(kept[0].destination_uid_next, Uid{9});
  EXPECT_TRUE(kept[0].digest.empty());
}

TEST_F(EarlierJournal, ThatIsDamagedIsNotMendedByItsNewColumn) {
  database_->execute("UPDATE change SET replaces_uid = 4");
  EXPECT_TRUE(changes().empty());
}

}  // namespace
}  // namespace imapfs::store::testing
