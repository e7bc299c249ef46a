#include "sync/mailbox/mailbox_sync.hpp"

#include <gtest/gtest.h>

#include "unit/sync/bodies/lying_session.hpp"
#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

using testing::FakeServer;

/// One mailbox, a session, and what they need.
class MailboxSyncFixture {
 public:
  explicit MailboxSyncFixture(Level level) {
    limit(server, level);
    server.create_mailbox("Lists");
    reopen();
    forget();
  }
  void reopen() {
    session = std::make_unique<LyingSession>(server.factory()(CallContext::within(test_patience)).value(), lies);
  }
  /// As after a remount. What the store holds is read when `stored`.
  void forget() {
    store.drain();
    const auto state = store.direct().state("Lists");
    replica = std::make_unique<MailboxReplica>(MailboxReplica::Identity{MailboxId{5}, "Lists", "Lists", "Lists"},
                                               MailboxReplica::Dependencies{names, store, listener}, state);
    if (state) replica->stored_rows().load(store.direct());
  }
  Result<void> sync() {
    MailboxSync sync(*replica, settings);
    replica->sync_begins();
    auto result = sync.run(*session, CallContext::within(test_patience));
    replica->sync_ends();
    replica->news().publish();
    method = sync.method();
    return result;
  }
  /// As the watching session does when the server tells it of a mod-sequence.
  Result<void> fetch_changes() {
    MailboxSync sync(*replica, settings);
    auto result = sync.fetch_changes(*session, server.mailbox("Lists").highest_modseq,
                                     CallContext::within(test_patience));
    replica->news().publish();
    return result;
  }
  std::vector<Uid> deliver(int messages) {
    std::vector<Uid> uids;
    for (int i = 0; i < messages; ++i)
      uids.push_back(server.deliver("Lists", mail("mail-" + std::to_string(++number_))));
    return uids;
  }
  [[nodiscard]] const MessageTable& table() const { return *replica->table(); }

  TemporaryDirectory directory;
  FakeServer server;
  std::shared_ptr<Lies> lies = std::make_shared<Lies>();
  std::unique_ptr<imap::Session> session;
  mime::NameTemplate names = default_names();
  RecordingListener listener;
  StoreWriter store{store::MetadataStore::open(directory.path())};
  std::unique_ptr<MailboxReplica> replica;
  MailboxSync::Settings settings;
  SyncMethod method = SyncMethod::none;

 private:
  int number_ = 0;
};

class MailboxSyncAtEveryLevel : public ::testing::TestWithParam<Level> {
 protected:
  MailboxSyncFixture f{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, MailboxSyncAtEveryLevel, all_levels, level_name);

TEST_P(MailboxSyncAtEveryLevel, AFirstListingIsCompleteAndNoNews) {
  f.deliver(30);
  ASSERT_TRUE(f.sync());
  EXPECT_TRUE(f.table().complete());
  EXPECT_EQ(f.table().size(), 30u);
  EXPECT_EQ(f.table().find(Uid{7})->file_name, "2023-11-14_2213_anna@example.org_mail-7.7.eml");
  EXPECT_TRUE(f.listener.added().empty());
  EXPECT_EQ(f.server.count("FETCH headers"), 1u);
  EXPECT_EQ(f.server.count("SEARCH"), 0u);
}

TEST_P(MailboxSyncAtEveryLevel, AnEmptyMailboxCostsOneSelect) {
  ASSERT_TRUE(f.sync());
  EXPECT_TRUE(f.table().complete());
  EXPECT_EQ(f.server.count("SELECT"), 1u);
  EXPECT_EQ(f.server.count("FETCH headers"), 0u);
}

TEST_P(MailboxSyncAtEveryLevel, ADeliveryIsAdded) {
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  const auto uids = f.deliver(2);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.listener.added(), uids);
  EXPECT_EQ(f.table().size(), 5u);
}

TEST_P(MailboxSyncAtEveryLevel, AnExpungedMessageIsRemoved) {
  f.deliver(4);
  ASSERT_TRUE(f.sync());
  f.server.expunge("Lists", Uid{2});
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.listener.removed(), std::vector<Uid>{Uid{2}});
  EXPECT_EQ(f.table().uids().to_string(), "1,3:4");
}

TEST_P(MailboxSyncAtEveryLevel, ADeliveryThatHidesAnExpungeInTheCountIsFound) {
  f.deliver(4);
  ASSERT_TRUE(f.sync());
  f.server.expunge("Lists", Uid{2});
  f.deliver(1);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uids().to_string(), "1,3:5");
  EXPECT_EQ(f.listener.removed(), std::vector<Uid>{Uid{2}});
  EXPECT_EQ(f.listener.added(), std::vector<Uid>{Uid{5}});
}

TEST_P(MailboxSyncAtEveryLevel, AFlagChangeIsSeen) {
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  f.server.set_flags("Lists", Uid{3}, FlagSet::parse("\\Seen $Forwarded"));
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.listener.flags_changed(), std::vector<Uid>{Uid{3}});
  EXPECT_TRUE(f.table().find(Uid{3})->flags.has("$Forwarded"));
}

TEST_P(MailboxSyncAtEveryLevel, AnotherUidValidityReplacesEverything) {
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  f.server.expunge("Lists", Uid{1});
  f.server.change_uid_validity("Lists", UidValidity{77});
  f.reopen();
  ASSERT_TRUE(f.sync());
  EXPECT_TRUE(f.listener.saw_everything());
  EXPECT_TRUE(f.listener.added().empty());
  EXPECT_EQ(f.table().uid_validity(), UidValidity{77});
  EXPECT_EQ(f.table().uids().to_string(), "1:2");
  EXPECT_TRUE(f.table().complete());
}

TEST_P(MailboxSyncAtEveryLevel, ARemountWithAStoreFetchesNoHeaders) {
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  const auto before = f.table().find(Uid{4});
  const auto time = f.replica->record().directory_time({});
  f.forget();
  f.server.reset_counts();
  f.server.set_flags("Lists", Uid{2}, FlagSet::parse("\\Seen"));
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("FETCH headers"), 0u);
  EXPECT_EQ(f.table().find(Uid{4})->file_name, before->file_name);
  EXPECT_TRUE(f.table().find(Uid{2})->flags.has(SystemFlag::seen));
  EXPECT_EQ(f.replica->record().directory_time({}).seconds, time.seconds);
  EXPECT_EQ(f.replica->record().directory_time({}).nanoseconds, time.nanoseconds);
}

TEST_P(MailboxSyncAtEveryLevel, WhatChangedBetweenMountsIsFound) {
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.forget();
  f.server.expunge("Lists", Uid{1});
  f.deliver(1);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uids().to_string(), "2:6");
  f.forget();
  EXPECT_EQ(f.table().uids().to_string(), "2:6");
  EXPECT_TRUE(f.table().complete());
}

TEST_P(MailboxSyncAtEveryLevel, ALongListingTakesSeveralTurns) {
  f.settings.messages_per_command = 10;
  f.deliver(35);
  MailboxSync sync(*f.replica, f.settings);
  f.replica->sync_begins();
  const auto context = CallContext::within(test_patience);
  EXPECT_EQ(sync.step(*f.session, context).value(), MailboxSync::Progress::more);
  EXPECT_EQ(f.table().frontier(), Uid{10});
  EXPECT_FALSE(f.table().complete());
  while (sync.step(*f.session, context).value() == MailboxSync::Progress::more) {
  }
  EXPECT_EQ(f.server.count("FETCH headers"), 4u);
  EXPECT_EQ(f.server.count("SELECT"), 1u);
  EXPECT_EQ(f.table().size(), 35u);
}

TEST_P(MailboxSyncAtEveryLevel, RowsOfAListingReachTheStoreWhenItIsOver) {
  f.settings.messages_per_command = 10;
  f.deliver(25);
  MailboxSync sync(*f.replica, f.settings);
  f.replica->sync_begins();
  const auto context = CallContext::within(test_patience);
  ASSERT_EQ(sync.step(*f.session, context).value(), MailboxSync::Progress::more);
  f.store.drain();
  EXPECT_EQ(f.store.direct().usage().messages, 0u);
  while (sync.step(*f.session, context).value() == MailboxSync::Progress::more) {
  }
  f.store.drain();
  EXPECT_EQ(f.store.direct().usage().messages, 25u);
}

TEST_P(MailboxSyncAtEveryLevel, RowsThatVanishWhileTheyAreKeptBackAreNotStored) {
  f.settings.messages_per_command = 3000;
  f.deliver(6000);
  MailboxSync sync(*f.replica, f.settings);
  f.replica->sync_begins();
  const auto context = CallContext::within(test_patience);
  ASSERT_EQ(sync.step(*f.session, context).value(), MailboxSync::Progress::more);
  f.replica->take_vanished(UidSet::range(Uid{7}, Uid{8}));
  f.replica->take_vanished(UidSet::single(Uid{10}));
  f.replica->news().publish();
  f.store.drain();
  EXPECT_EQ(f.store.direct().usage().messages, 2997u);
}

TEST_P(MailboxSyncAtEveryLevel, CommandsOfAFastListingGrowTenfoldAtMost) {
  f.settings.messages_per_command = 10;
  f.settings.long_command = std::chrono::hours(1);
  f.deliver(115);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("FETCH headers"), 3u);
  EXPECT_EQ(f.table().size(), 115u);
}

TEST_P(MailboxSyncAtEveryLevel, SparseUidsAreListedByTheirSet) {
  f.settings.messages_per_command = 10;
  for (int i = 0; i < 15; ++i) {
    f.deliver(1);
    f.server.edit_mailbox("Lists", [](auto& mailbox) { mailbox.uid_next = Uid{mailbox.uid_next.value + 1000}; });
  }
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("SEARCH"), 1u);
  EXPECT_EQ(f.server.count("FETCH headers"), 2u);
  EXPECT_EQ(f.table().size(), 15u);
}

TEST_P(MailboxSyncAtEveryLevel, AnInterruptedListingIsTakenUpWhereItStopped) {
  f.settings.messages_per_command = 10;
  f.deliver(30);
  MailboxSync sync(*f.replica, f.settings);
  f.replica->sync_begins();
  const auto context = CallContext::within(test_patience);
  ASSERT_TRUE(sync.step(*f.session, context));
  f.server.fail_next("FETCH headers");
  ASSERT_FALSE(sync.step(*f.session, context));
  f.replica->sync_ends();
  f.replica->news().publish();
  // The first ten are in the store; one of them changes while nobody looks.
  f.server.expunge("Lists", Uid{3});
  f.reopen();
  f.forget();
  EXPECT_EQ(f.table().size(), 10u);
  EXPECT_FALSE(f.table().complete());
  f.server.reset_counts();
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uids().to_string(), "1:2,4:30");
  EXPECT_EQ(f.server.count("FETCH headers"), 2u);
}

TEST_P(MailboxSyncAtEveryLevel, ANewNameTemplateRendersEveryNameAgain) {
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  f.store.drain();
  f.names = mime::NameTemplate::parse("{subject}.{uid}.eml").value();
  f.forget();
  EXPECT_EQ(f.table().size(), 0u);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().find(Uid{2})->file_name, "mail-2.2.eml");
}

TEST(MailboxSync, WithoutHeadersInTheTemplateNoneAreFetched) {
  MailboxSyncFixture f{Level::qresync};
  f.names = mime::NameTemplate::parse("{uid}.eml").value();
  f.deliver(2);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("FETCH headers"), 0u);
  EXPECT_EQ(f.server.count("FETCH flags"), 1u);
  EXPECT_EQ(f.table().find(Uid{2})->file_name, "2.eml");
}

TEST(MailboxSync, AServerThatTakesSmallSetsGetsSmallSets) {
  MailboxSyncFixture f{Level::none};
  f.server.set_quirks({imap::Quirk::small_fetch_sets});
  f.settings.messages_per_small_command = 4;
  f.reopen();
  f.deliver(10);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("FETCH headers"), 3u);
  f.server.expunge("Lists", Uid{5});
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.server.count("FETCH flags"), 3u);
  EXPECT_EQ(f.table().size(), 9u);
}

TEST(MailboxSync, ASyncedMailboxCostsOneQresyncSelect) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.forget();
  f.server.reset_counts();
  f.server.expunge("Lists", Uid{1});
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.method, SyncMethod::qresync);
  EXPECT_EQ(f.server.count("SELECT"), 1u);
  EXPECT_EQ(f.server.count("FETCH headers") + f.server.count("FETCH flags") + f.server.count("SEARCH"), 0u);
  EXPECT_EQ(f.table().size(), 4u);
}

TEST(MailboxSync, CondstoreWithoutRemovalsDoesNotSearch) {
  MailboxSyncFixture f{Level::condstore};
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.deliver(1);
  f.server.set_flags("Lists", Uid{1}, FlagSet::parse("\\Seen"));
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.method, SyncMethod::condstore);
  EXPECT_EQ(f.server.count("SEARCH"), 0u);
  EXPECT_EQ(f.table().size(), 6u);
  EXPECT_EQ(f.listener.flags_changed(), std::vector<Uid>{Uid{1}});
}

TEST(MailboxSync, WhatIsGoneAndWasNeverSeenByTheWatchingSessionIsFoundByItsModSequence) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.server.expunge("Lists", Uid{2});
  f.server.set_flags("Lists", Uid{3}, FlagSet::parse("\\Flagged"));
  ASSERT_TRUE(f.fetch_changes());
  EXPECT_EQ(f.table().uids().to_string(), "1,3:5");
  EXPECT_EQ(f.listener.flags_changed(), std::vector<Uid>{Uid{3}});
  f.server.reset_counts();
  ASSERT_TRUE(f.fetch_changes());
  EXPECT_EQ(f.server.count("FETCH flags"), 0u) << "nothing is new";
}

// -- servers that lie --

TEST(MailboxSync, QresyncThatOmitsVanishedIsFoundOut) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.lies->omit_vanished = true;
  f.server.expunge("Lists", Uid{2});
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uids().to_string(), "1,3:5");
  EXPECT_EQ(f.listener.removed(), std::vector<Uid>{Uid{2}});
}

TEST(MailboxSync, AModseqThatGoesDownLeadsToAFullComparison) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(5);
  ASSERT_TRUE(f.sync());
  f.lies->omit_vanished = true;
  f.lies->bend_selected = [](auto& selected) { selected.highest_modseq = ModSeq{1}; };
  f.server.set_flags("Lists", Uid{4}, FlagSet::parse("\\Flagged"));
  f.server.expunge("Lists", Uid{2});
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.method, SyncMethod::full);
  EXPECT_EQ(f.table().uids().to_string(), "1,3:5");
  EXPECT_EQ(f.replica->record().known().highest_modseq, ModSeq{1});
}

TEST(MailboxSync, RowsOutOfOrderStopTheFrontierUntilTheChunkEnds) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(5);
  f.lies->reverse_rows = true;
  f.names = mime::NameTemplate::parse("{uid}.eml").value();
  f.settings.messages_per_command = 3;
  MailboxSync sync(*f.replica, f.settings);
  f.replica->sync_begins();
  ASSERT_TRUE(sync.step(*f.session, CallContext::within(test_patience)));
  EXPECT_EQ(f.table().size(), 3u);
  EXPECT_EQ(f.table().frontier(), Uid{3});
  ASSERT_TRUE(sync.step(*f.session, CallContext::within(test_patience)));
  EXPECT_TRUE(f.table().complete());
  EXPECT_EQ(f.table().size(), 5u);
  EXPECT_EQ(f.listener.added(), std::vector<Uid>{}) << "no reader can have passed their places";
}

TEST(MailboxSync, AServerWithoutUidValidityIsTakenAsIs) {
  MailboxSyncFixture f{Level::qresync};
  f.lies->bend_selected = [](auto& selected) { selected.uid_validity.reset(); };
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uid_validity(), UidValidity{0});
  f.deliver(1);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().size(), 4u);
  EXPECT_FALSE(f.listener.saw_everything());
}

TEST(MailboxSync, AServerWithoutUidNextIsAskedForNewMessages) {
  MailboxSyncFixture f{Level::qresync};
  f.lies->bend_selected = [](auto& selected) { selected.uid_next.reset(); };
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  f.deliver(1);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().size(), 4u);
  EXPECT_EQ(f.replica->record().known().uid_next, Uid{5});
}

TEST(MailboxSync, ARowWithoutSizeAndDateGetsDefaults) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(2);
  f.lies->bend_row = [](auto& row) {
    row.size.reset();
    row.internal_date.reset();
    row.flags.reset();
  };
  ASSERT_TRUE(f.sync());
  const auto row = f.table().find(Uid{1});
  ASSERT_TRUE(row);
  EXPECT_EQ(row->size, 0u);
  EXPECT_EQ(row->internal_date, 1'794'821'400);  // the Date field
}

TEST(MailboxSync, AServerThatCountsMessagesButShowsNoneRemovesNothing) {
  MailboxSyncFixture f{Level::none};
  f.deliver(3);
  ASSERT_TRUE(f.sync());
  f.lies->bend_row = [](auto& row) { row.uid = Uid{0}; };
  ASSERT_TRUE(f.sync());
  EXPECT_TRUE(f.replica->record().known().in_doubt);
  EXPECT_EQ(f.table().size(), 3u);
  f.lies->bend_row = {};
  ASSERT_TRUE(f.sync());
  EXPECT_FALSE(f.replica->record().known().in_doubt);
}

TEST(MailboxSync, AMessageThatVanishesDuringAListingDoesNotComeBack) {
  MailboxSyncFixture f{Level::qresync};
  f.deliver(3);
  bool told = false;
  f.lies->bend_row = [&](auto&) {
    if (!std::exchange(told, true)) f.replica->take_vanished(UidSet::single(Uid{2}));
  };
  f.lies->bend_selected = [](auto& selected) { selected.messages = 2; };
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().uids().to_string(), "1,3");
}

TEST(MailboxSync, ASizeThatWasCountedSurvivesAResync) {
  MailboxSyncFixture f{Level::none};
  f.deliver(2);
  ASSERT_TRUE(f.sync());
  bool then = false;
  f.replica->messages().take_exact_size(Uid{1}, 12345, [&] { then = true; });
  EXPECT_TRUE(then);
  EXPECT_EQ(f.listener.attributes_changed(), std::vector<Uid>{Uid{1}});
  f.forget();
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().find(Uid{1})->size, 12345u);
  EXPECT_TRUE(f.table().find(Uid{1})->size_is_exact);
}

TEST(MailboxSync, AHundredThousandRowsFlowInBoundedMemory) {
  MailboxSyncFixture f{Level::qresync};
  f.names = mime::NameTemplate::parse(
                "{date}_somebody-with-a-name@mail.example.org_A-subject-as-long-as-most.{uid}.eml")
                .value();
  const std::string body = mail("many");
  for (int i = 0; i < 100'000; ++i) f.server.deliver("Lists", body);
  ASSERT_TRUE(f.sync());
  EXPECT_EQ(f.table().size(), 100'000u);
  EXPECT_LE(f.table().memory_bytes() / 100'000, 250u);
  EXPECT_EQ(f.server.count("FETCH flags"), 5u);
  f.store.drain();
  EXPECT_EQ(f.store.direct().usage().messages, 100'000u);
}

}  // namespace
}  // namespace imapfs::sync
