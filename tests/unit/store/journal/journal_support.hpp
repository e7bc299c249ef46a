#pragma once
// What the journal's tests share: one open journal in a directory of its own, and changes to put into it.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "unit/store/store_support.hpp"

namespace imapfs::store::testing {

inline constexpr const char* journal_account = "anna@mail.example.org";

inline JournalLocation at(const std::string& mailbox, std::uint32_t uid, std::uint32_t validity = 7) {
  return {mailbox, UidValidity{validity}, Uid{uid}};
}

inline JournalChange flag_change(const JournalLocation& source, const std::string& flags = "\\Seen") {
  JournalChange change;
  change.kind = JournalChange::Kind::flag;
  change.source = source;
  change.flags = {FlagChange::Kind::add, FlagSet::parse(flags)};
  return change;
}

inline JournalChange move_change(const JournalLocation& source, const std::string& destination) {
  JournalChange change;
  change.kind = JournalChange::Kind::move;
  change.source = source;
  change.destination = destination;
  return change;
}

inline JournalChange append_change(StagedId staged) {
  JournalChange change;
  change.kind = JournalChange::Kind::append;
  change.destination = "INBOX";
  change.staged = staged;
  return change;
}

inline StagedFile staged_file(const std::string& name, const std::string& mailbox = "INBOX") {
  StagedFile file;
  file.mailbox = mailbox;
  file.name = name;
  return file;
}

class JournalTest : public ::testing::Test {
 protected:
  std::shared_ptr<Journal> open() {
    auto opened = Journal::open(directory_.path(), journal_account);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().what);
    return opened ? *opened : nullptr;
  }
  void reopen() {
    journal.reset();
    journal = open();
  }
  void SetUp() override { journal = open(); }

  /// Does `work` on a journal in a process that is then killed, and opens the journal again.
  template <class Work>
  void in_killed_process(Work work) {
    journal.reset();
    EXPECT_EQ(in_child([&] {
                auto opened = Journal::open(directory_.path(), journal_account);
                if (!opened) return 1;
                work(**opened);
                ::raise(SIGKILL);
                return 2;
              }),
              -SIGKILL);
    journal = open();
  }

  ChangeId add(JournalChange change) {
    std::vector<JournalChange> changes{std::move(change)};
    EXPECT_TRUE(journal->add(changes));
    return changes.front().id;
  }
  StagedId stage(StagedFile file, const std::string& octets = "Subject: x\r\n\r\n") {
    EXPECT_TRUE(journal->stage(file));
    write_file(journal->staging_path(file.id), octets);
    return file.id;
  }
  void finish(const Journal::Ended::One& one) {
    Journal::Ended ended;
    ended.changes.push_back(one);
    EXPECT_TRUE(journal->finish(ended));
  }
  std::vector<JournalChange> changes() { return *journal->changes(); }
  std::vector<StagedFile> staged() { return *journal->staged(); }
  std::vector<std::string> names(const std::string& mailbox, std::uint32_t validity = 7) {
    std::vector<std::string> found;
    const auto rows = *journal->local_names(mailbox, UidValidity{validity});
    for (const auto& name : rows) found.push_back(std::to_string(name.uid.value) + "=" + name.name);
    return found;
  }
  [[nodiscard]] std::string database() const { return journal->directory() + "/journal.sqlite"; }

  TemporaryDirectory directory_;
  std::shared_ptr<Journal> journal;
};

using Names = std::vector<std::string>;

}  // namespace imapfs::store::testing
