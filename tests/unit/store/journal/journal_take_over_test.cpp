// Two mounts of one account at a time: each has a journal, and the next mount takes over what the second has left.
#include <algorithm>
#include <csignal>

#include "imapfs/store/account_opening.hpp"
#include "journal_support.hpp"

namespace imapfs::store::testing {
namespace {

TEST_F(JournalTest, ASecondMountHasAJournalOfItsOwn) {
  add(flag_change(at("INBOX", 1)));
  auto second = open();
  EXPECT_NE(second->directory(), journal->directory());
  EXPECT_TRUE(second->changes()->empty());
}

/// What a second mount does before it is killed, while the first has the account's own directory.
void promise_something(Journal& second) {
  auto file = staged_file("draft.eml");
  if (!second.stage(file)) ::_exit(3);
  write_file(second.staging_path(file.id), "octets");
  std::vector<JournalChange> added{append_change(file.id), flag_change({})};
  added[1].follows = batch_reference(0);
  if (!second.add(added) || !second.set_local_name(at("INBOX", 2), "second.eml") ||
      !second.set_local_name(at("INBOX", 1), "not wanted.eml"))
    ::_exit(4);
}

TEST_F(JournalTest, WhatASecondMountHasLeftIsTakenOverOnce) {
  for (int round = 1; round <= 3; ++round) {
    const auto own = add(flag_change(at("INBOX", 1)));
    ASSERT_TRUE(journal->set_local_name(at("INBOX", 1), "first.eml"));
    const auto file = stage(staged_file("own.eml"), "own octets");
    ASSERT_EQ(in_child([&] {
                auto second = Journal::open(directory_.path(), journal_account);
                if (!second || (*second)->directory() == journal->directory()) return 1;
                promise_something(**second);
                ::raise(SIGKILL);
                return 2;
              }),
              -SIGKILL);
    reopen();
    reopen();
    const auto found = changes();
    ASSERT_EQ(found.size(), 3u) << "round " << round;
    EXPECT_EQ(found[0].id, own);
    EXPECT_EQ(found[2].follows, found[1].id);
    const auto files = staged();
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].id, file);
    EXPECT_EQ(files[1].id, found[1].staged);
    EXPECT_EQ(files[1].state, StagedFile::State::open);
    EXPECT_EQ(read_file(journal->staging_path(files[0].id)), "own octets");
    EXPECT_EQ(read_file(journal->staging_path(files[1].id)), "octets");
    auto kept = names("INBOX");
    std::sort(kept.begin(), kept.end());
    EXPECT_EQ(kept, (Names{"1=first.eml", "2=second.eml"}));
    EXPECT_GT(add(flag_change(at("INBOX", 1))), found[2].id);
    EXPECT_GT(stage(staged_file("x")), files[1].id);
    for (const auto& change : changes()) finish({change.id, {}, "", true});
    for (const auto& left : staged()) ASSERT_TRUE(journal->unstage(left.id));
  }
}

TEST_F(JournalTest, ASecondMountsJournalThatWasMadeAnewIsTakenOverToo) {
  for (int round = 1; round <= 2; ++round) {
    ASSERT_EQ(in_child([&] {
                auto second = Journal::open(directory_.path(), journal_account);
                if (!second) return 1;
                promise_something(**second);
                return 0;
              }),
              0);
    reopen();
    EXPECT_EQ(changes().size(), 2u * static_cast<unsigned>(round));
    EXPECT_EQ(staged().size(), static_cast<unsigned>(round));
    std::filesystem::remove_all(journal->directory() + "@2");
  }
}

TEST_F(JournalTest, WhatIsHalfTakenOverIsCompleted) {
  const std::string sibling = journal->directory() + "@2";
  ASSERT_EQ(in_child([&] {
              auto second = Journal::open(directory_.path(), journal_account);
              if (!second) return 1;
              promise_something(**second);
              return 0;
            }),
            0);
  // The octets cannot be moved to where something is in the way: the rows are in both then, and the octets over there.
  const auto obstacle = journal->staging_path(StagedId{1});
  std::filesystem::create_directory(obstacle);
  reopen();
  EXPECT_EQ(changes().size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(sibling + "/staging/1"));
  std::filesystem::remove(obstacle);
  reopen();
  EXPECT_EQ(changes().size(), 2u);
  ASSERT_EQ(staged().size(), 1u);
  EXPECT_EQ(staged()[0].id, changes()[0].staged);
  EXPECT_EQ(staged()[0].state, StagedFile::State::open);
  EXPECT_EQ(read_file(journal->staging_path(staged()[0].id)), "octets");
  EXPECT_FALSE(std::filesystem::exists(sibling + "/staging/1"));
}

TEST_F(JournalTest, ASecondMountShowsTheNamesOfTheFirstAndKeepsNoneOfThem) {
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 1), "one.eml"));
  ASSERT_TRUE(journal->set_local_name(at("INBOX", 2), "two.eml"));
  ASSERT_TRUE(journal->set_local_name(at("Old", 1), "below.eml"));
  auto second = open();
  ASSERT_EQ(original_of(second->directory()), journal->directory());
  const auto shown = [&](const std::string& mailbox) {
    Names found;
    const auto rows = *second->local_names(mailbox, UidValidity{7});
    for (const auto& name : rows) found.push_back(std::to_string(name.uid.value) + "=" + name.name);
    return found;
  };
  EXPECT_EQ(shown("INBOX"), (Names{"1=one.eml", "2=two.eml"}));
  ASSERT_TRUE(second->set_local_name(at("INBOX", 1), "another.eml"));
  EXPECT_EQ(shown("INBOX"), (Names{"2=two.eml", "1=another.eml"}));
  const auto uids = UidSet::single(Uid{2});
  ASSERT_TRUE(second->forget_local_names("INBOX", UidValidity{7}, uids));
  EXPECT_EQ(shown("INBOX"), (Names{"1=another.eml"}));
  ASSERT_TRUE(second->rename_mailbox("Old", "New", '/'));
  EXPECT_EQ(shown("New"), (Names{"1=below.eml"}));
  // What it had borrowed does not come back when it is taken over.
  ASSERT_TRUE(journal->forget_local_names("INBOX", UidValidity{7}, uids));
  second.reset();
  reopen();
  EXPECT_EQ(names("INBOX"), (Names{"1=one.eml"}));
  EXPECT_TRUE(names("New").empty());
}

TEST_F(JournalTest, AMountInUseIsLeftAlone) {
  auto second = open();
  std::vector<JournalChange> added{flag_change(at("INBOX", 1))};
  ASSERT_TRUE(second->add(added));
  reopen();
  EXPECT_TRUE(changes().empty());
  EXPECT_EQ(second->changes()->size(), 1u);
}

}  // namespace
}  // namespace imapfs::store::testing
