// Changes of our own in a MailboxReplica: what is news for the kernel, and what it knows already.

#include <gtest/gtest.h>

#include "sync/mailbox/mailbox_replica.hpp"
#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

constexpr UidValidity validity{7};

class ReplicaChanges : public ::testing::Test {
 protected:
  ReplicaChanges() { make(); }
  void make() {
    store.drain();
    const auto state = store.direct().state("Lists");
    MailboxReplica::Dependencies dependencies{names, store, listener};
    dependencies.local_names = [this](const std::string&, UidValidity asked) {
      return asked == validity ? known_names : std::vector<store::LocalName>();
    };
    dependencies.names_unused = [this](const std::string&, UidValidity, const UidSet& uids) {
      unused += (unused.empty() ? "" : " ") + uids.to_string();
    };
    replica = std::make_unique<MailboxReplica>(MailboxReplica::Identity{MailboxId{5}, "Lists", "Lists", "Lists"},
                                               dependencies, state);
    if (state) replica->stored_rows().load(store.direct());
  }
  /// A mailbox of three messages, in step.
  void list() {
    replica->note_validity(validity);
    for (std::uint32_t uid = 1; uid <= 3; ++uid) take(uid, true);
    in_step(4, 3);
  }
  void in_step(std::uint32_t uid_next, std::uint32_t messages) {
    imap::SelectedMailbox selected;
    selected.uid_validity = validity;
    selected.uid_next = Uid{uid_next};
    selected.messages = messages;
    replica->in_step_with(selected);
    replica->news().publish();
    listener.clear();
  }
  void take(std::uint32_t uid, bool listing = false) {
    imap::FetchRow row;
    row.uid = Uid{uid};
    row.flags = FlagSet{};
    row.size = 100;
    row.internal_date = 1'700'000'000;
    replica->take_row(row, listing, true);
    replica->news().publish();
  }
  void flag(std::uint32_t uid, const std::string& flags) {
    imap::FetchRow row;
    row.uid = Uid{uid};
    row.flags = FlagSet::parse(flags);
    replica->take_flags(row);
    replica->news().publish();
  }
  void vanish(std::uint32_t uid) {
    replica->take_vanished(UidSet::single(Uid{uid}));
    replica->news().publish();
  }
  void end_arrivals(const std::vector<MailboxReplica::OwnArrival>& own) {
    replica->own_changes().end_arrivals(validity, own);
    replica->news().publish();
  }
  [[nodiscard]] const MessageTable& table() const { return *replica->table(); }
  [[nodiscard]] std::string listed() const {
    std::string uids;
    table().visit_after(Uid{0}, 100, [&](const auto& row) {
      uids += fmt::format("{} ", row.uid.value);
      return true;
    });
    return uids;
  }
  using Uids = std::vector<Uid>;

  TemporaryDirectory directory;
  mime::NameTemplate names = default_names();
  RecordingListener listener;
  StoreWriter store{store::MetadataStore::open(directory.path())};
  std::vector<store::LocalName> known_names;
  std::string unused;
  std::unique_ptr<MailboxReplica> replica;
};

TEST_F(ReplicaChanges, WhatIsHiddenGoesQuietly) {
  list();
  replica->own_changes().hide(UidSet::single(Uid{2}));
  vanish(2);
  EXPECT_EQ(listed(), "1 3 ");
  EXPECT_TRUE(listener.removed().empty());
  EXPECT_EQ(listener.removed_by_us(), Uids{Uid{2}});
}

TEST_F(ReplicaChanges, WhatWasRefusedIsNewsAgain) {
  list();
  replica->own_changes().hide(UidSet::single(Uid{2}));
  replica->own_changes().show_again(UidSet::single(Uid{2}));
  replica->news().publish();
  EXPECT_EQ(listed(), "1 2 3 ");
  EXPECT_EQ(listener.added(), Uids{Uid{2}});
}

TEST_F(ReplicaChanges, WhatWeFlaggedAsDeletedEndsInDeletedQuietly) {
  list();
  replica->own_changes().hide(UidSet::single(Uid{2}));
  flag(2, "\\Deleted");
  replica->own_changes().show_again(UidSet::single(Uid{2}));
  replica->news().publish();
  EXPECT_EQ(table().deleted(), Uids{Uid{2}});
  EXPECT_TRUE(listener.added().empty());
  EXPECT_TRUE(listener.removed().empty());
  EXPECT_EQ(listener.removed_by_us(), Uids{Uid{2}});
}

TEST_F(ReplicaChanges, WhatOthersFlagAsDeletedIsRemovedForTheKernelAndComesBackWhenTheyTakeItAway) {
  list();
  flag(2, "\\Deleted");
  EXPECT_EQ(listener.removed(), Uids{Uid{2}});
  EXPECT_EQ(listed(), "1 3 ");
  flag(2, "");
  EXPECT_EQ(listener.added(), Uids{Uid{2}});
  vanish(2);
  EXPECT_EQ(listener.removed().size(), 2u);
}

TEST_F(ReplicaChanges, WhatIsExpungedFromDeletedWasRemovedBefore) {
  list();
  flag(2, "\\Deleted");
  listener.clear();
  vanish(2);
  EXPECT_TRUE(listener.removed().empty());
}

TEST_F(ReplicaChanges, RowsThatComeDuringACommandOfOursAreHeldBack) {
  list();
  replica->own_changes().begin_arrivals();
  take(4);
  EXPECT_EQ(listed(), "1 2 3 ");
  EXPECT_TRUE(listener.added().empty());
  end_arrivals({{Uid{4}, "offer.eml"}});
  EXPECT_EQ(table().find_by_name("offer.eml")->uid, Uid{4});
  EXPECT_TRUE(listener.added().empty());
  EXPECT_EQ(listener.added_by_us(), Uids{Uid{4}});
}

TEST_F(ReplicaChanges, RowsOfOthersAreNewsWhenTheLastCommandEnds) {
  list();
  replica->own_changes().begin_arrivals();
  replica->own_changes().begin_arrivals();
  take(4);
  take(5);
  end_arrivals({{Uid{4}, ""}});
  EXPECT_EQ(listed(), "1 2 3 4 ") << "5 may be the other command's";
  end_arrivals({});
  EXPECT_EQ(listed(), "1 2 3 4 5 ");
  EXPECT_EQ(listener.added(), Uids{Uid{5}});
}

TEST_F(ReplicaChanges, ARowThatComesAfterTheCommandIsStillOurs) {
  list();
  replica->own_changes().begin_arrivals();
  end_arrivals({{Uid{4}, "offer.eml"}});
  take(4);
  EXPECT_TRUE(listener.added().empty());
  EXPECT_EQ(listener.added_by_us(), Uids{Uid{4}});
  EXPECT_TRUE(table().find_by_name("offer.eml"));
}

TEST_F(ReplicaChanges, WhatCameAndWentWhileHeldBackIsNoNews) {
  list();
  replica->own_changes().begin_arrivals();
  take(4);
  vanish(4);
  end_arrivals({});
  EXPECT_TRUE(listener.added().empty());
  EXPECT_TRUE(listener.removed().empty());
  EXPECT_TRUE(listener.removed_by_us().empty());
}

TEST_F(ReplicaChanges, NewsThatWasFasterThanTheCommandLosesItsFirstName) {
  list();
  take(4);
  listener.clear();
  replica->own_changes().begin_arrivals();
  end_arrivals({{Uid{4}, "offer.eml"}});
  EXPECT_EQ(listener.removed(), Uids{Uid{4}}) << "the kernel was told of the template's name";
  EXPECT_EQ(listed(), "1 2 3 4 ");
}

TEST_F(ReplicaChanges, WhatIsRestoredBeforeItsRowComesIsSeenWhenItComes) {
  list();
  replica->own_changes().hide(UidSet::single(Uid{4}));
  replica->own_changes().begin_arrivals();
  end_arrivals({{Uid{4}, "back.eml"}});
  take(4);
  EXPECT_EQ(table().place(Uid{4}), MessageTable::Place::listed);
  EXPECT_EQ(table().find_by_name("back.eml")->uid, Uid{4});
}

TEST_F(ReplicaChanges, NamesOfEarlierTimesAreThereFromTheFirstRowOn) {
  known_names = {{Uid{2}, "offer.eml"}};
  list();
  EXPECT_EQ(replica->messages().find_by_name("offer.eml")->uid, Uid{2});
  EXPECT_EQ(replica->messages().find(Uid{2})->file_name, "offer.eml");
}

TEST_F(ReplicaChanges, TheStoreKeepsTheTemplatesName) {
  known_names = {{Uid{2}, "offer.eml"}};
  list();
  take(2);
  known_names.clear();
  make();
  EXPECT_EQ(table().size(), 3u);
  EXPECT_NE(table().find(Uid{2})->file_name, "offer.eml");
  EXPECT_FALSE(table().find(Uid{2})->file_name.empty());
}

TEST_F(ReplicaChanges, WhatWasHiddenBeforeTheStoredRowsAreReadStaysHidden) {
  list();
  store.drain();
  const auto state = store.direct().state("Lists");
  MailboxReplica later({MailboxId{5}, "Lists", "Lists", "Lists"}, {names, store, listener}, state);
  later.own_changes().hide(UidSet::single(Uid{2}));
  later.stored_rows().load(store.direct());
  EXPECT_EQ(later.table()->place(Uid{2}), MessageTable::Place::hidden);
  EXPECT_EQ(later.table()->place(Uid{3}), MessageTable::Place::listed);
}

TEST_F(ReplicaChanges, NamesOfVanishedMessagesAreUnused) {
  known_names = {{Uid{2}, "offer.eml"}};
  list();
  vanish(2);
  EXPECT_EQ(unused, "2");
}

TEST_F(ReplicaChanges, NamesOfMessagesThatAListingDoesNotShowAreUnused) {
  known_names = {{Uid{2}, "offer.eml"}, {Uid{3}, "old.eml"}, {Uid{9}, "new.eml"}};
  replica->note_validity(validity);
  take(2, true);
  in_step(4, 1);
  EXPECT_EQ(unused, "3") << "9 came after the SELECT";
}

TEST_F(ReplicaChanges, AnotherUidvalidityForgetsNames) {
  known_names = {{Uid{2}, "offer.eml"}};
  list();
  replica->restart(UidValidity{8});
  replica->news().publish();
  EXPECT_FALSE(table().local_name(Uid{2}));
  EXPECT_EQ(unused, "2");
}

TEST_F(ReplicaChanges, AMessageOfAMailboxNeverListedIsFoundByTheNameItWasGiven) {
  known_names = {{Uid{2}, "offer.eml"}};
  replica->note_validity(validity);
  imap::FetchRow row;
  row.uid = Uid{2};
  row.size = 100;
  EXPECT_EQ(replica->messages().take_single(row).file_name, "offer.eml");
  EXPECT_EQ(replica->messages().find_by_name("offer.eml")->uid, Uid{2});
  EXPECT_FALSE(replica->messages().find_by_name("2.eml"));
  replica->own_changes().hide(UidSet::single(Uid{2}));
  EXPECT_FALSE(replica->messages().find_by_name("offer.eml"));
}

TEST_F(ReplicaChanges, AMessageWhoseNameIsGivenToAnotherIsNewsByItsNewName) {
  list();
  const auto name = table().find(Uid{1})->file_name;
  replica->own_changes().set_local_name(Uid{3}, name);
  replica->news().publish();
  const auto now = table().find(Uid{1})->file_name;
  EXPECT_NE(now, name);
  EXPECT_EQ(table().find(Uid{3})->file_name, name);
  EXPECT_EQ(listener.removed(), std::vector{Uid{1}});
  EXPECT_EQ(listener.added(), std::vector{Uid{1}});
  listener.clear();
  replica->own_changes().hide(UidSet::single(Uid{3}));
  replica->news().publish();
  EXPECT_EQ(table().find(Uid{1})->file_name, now) << "as long as the other one may come back";
  EXPECT_TRUE(listener.added().empty());
  vanish(3);
  EXPECT_EQ(table().find(Uid{1})->file_name, name);
  EXPECT_EQ(listener.added(), std::vector{Uid{1}});
}

TEST_F(ReplicaChanges, TheOneThatIsReplacedIsNoNews) {
  list();
  const auto name = table().find(Uid{1})->file_name;
  replica->own_changes().set_local_name(Uid{3}, name, Uid{1});
  replica->own_changes().hide(UidSet::single(Uid{1}));
  replica->news().publish();
  EXPECT_TRUE(listener.removed().empty());
  EXPECT_TRUE(listener.added().empty());
}

TEST_F(ReplicaChanges, RightsAreNewsWhenTheyChange) {
  list();
  replica->rights().note("lrs");
  replica->news().publish();
  EXPECT_EQ(listener.rights_changes(), 1u);
  replica->rights().note("lrs");
  replica->news().publish();
  EXPECT_EQ(listener.rights_changes(), 1u);
}

}  // namespace
}  // namespace imapfs::sync
