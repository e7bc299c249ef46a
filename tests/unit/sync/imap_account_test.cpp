#include "imapfs/sync/imap_account.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sync_test_support.hpp"
#include "unit/sync/bodies/lying_session.hpp"

namespace imapfs::sync {
namespace {

using testing::FakeServer;

/// A server with INBOX and Lists, and an account mounted on it.
class AccountFixture {
 public:
  explicit AccountFixture(Level level = Level::qresync) {
    limit(server, level);
    server.create_mailbox("Lists");
    settings.account = "anna@example.org";
    settings.names = default_names();
    settings.watch = false;
    settings.timeout = test_patience;
    settings.reconnect_grace = SteadyClock::duration::zero();  // unless it is about that
    settings.poll_interval = std::chrono::seconds(1);
  }
  ~AccountFixture() { unmount(); }

  void mount(bool online = true) {
    account = std::make_unique<ImapAccount>(settings, server.factory(), make_store(),
                                            std::make_shared<store::MessageCache>(bodies), nullptr, scheduler,
                                            listener);
    const auto context = CallContext::within(test_patience);
    started = account->start(online ? server.factory()(context).value() : nullptr, context);
  }
  void unmount() {
    if (account) account->stop();
    account.reset();
  }
  std::unique_ptr<store::MetadataStore> make_store() {
    return with_store ? store::MetadataStore::open(directory.path()) : store::MetadataStore::none();
  }
  [[nodiscard]] MailboxId id(const std::string& path) const { return account->mailboxes().tree()->find_path(path)->id; }
  [[nodiscard]] std::shared_ptr<const MessageTable> table(const std::string& path) const {
    return account->mailboxes().table(id(path));
  }
  Result<void> freshen(const std::string& path) {
    return await<void>([&](Completion<void> done) { account->mailboxes().freshen(id(path), std::move(done)); });
  }
  Result<void> await_rows(const std::string& path, Uid after) {
    return await<void>(
        [&](Completion<void> done) { account->mailboxes().await_rows(id(path), after, std::move(done)); });
  }
  /// A listing as readdir does it.
  Result<void> list(const std::string& path) {
    auto result = freshen(path);
    Uid last;
    while (result && !table(path)->complete()) {
      table(path)->visit_after(last, 100'000, [&](const auto& row) {
        last = row.uid;
        return true;
      });
      result = await_rows(path, last);
    }
    return result;
  }
  Result<MessageMeta> find(const std::string& path, const std::string& name) {
    return await<MessageMeta>(
        [&](Completion<MessageMeta> done) { account->mailboxes().find_message(id(path), name, std::move(done)); });
  }
  static constexpr const char* command_names[] = {"SELECT",     "FETCH headers", "FETCH flags", "FETCH fields",
                                                  "FETCH body", "SEARCH",        "STATUS",      "LIST"};
  [[nodiscard]] std::size_t commands() const {
    std::size_t sum = 0;
    for (const auto* name : command_names) sum += server.count(name);
    return sum;
  }
  [[nodiscard]] std::string command_counts() const {
    std::string text;
    for (const auto* name : command_names) text += fmt::format("{}: {} ", name, server.count(name));
    return text;
  }

  TemporaryDirectory directory;
  FakeServer server;
  RecordingListener listener;
  Scheduler scheduler;
  SyncSettings settings;
  store::MessageCache::Settings bodies;  ///< nothing on disk unless the test says so
  bool with_store = true;
  Result<void> started;
  std::unique_ptr<ImapAccount> account;
};

class AccountAtEveryLevel : public ::testing::TestWithParam<Level> {
 protected:
  AccountFixture f{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, AccountAtEveryLevel, all_levels, level_name);

TEST_P(AccountAtEveryLevel, AFirstListingFlowsBeforeItsEnd) {
  for (int i = 0; i < 5; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  f.server.hold("FETCH row");
  f.server.step("FETCH row", 2);
  ASSERT_TRUE(f.freshen("Lists"));
  ASSERT_TRUE(f.await_rows("Lists", Uid{0}));
  EXPECT_FALSE(f.table("Lists")->complete());
  EXPECT_GE(f.table("Lists")->frontier(), Uid{1});
  f.server.release("FETCH row");
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_EQ(f.table("Lists")->size(), 5u);
  EXPECT_TRUE(f.listener.added().empty());
}

TEST_P(AccountAtEveryLevel, ARepeatedListingCostsNothing) {
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  const auto before = f.commands();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(f.list("Lists"));
  EXPECT_EQ(f.commands(), before) << f.command_counts();
}

TEST_P(AccountAtEveryLevel, WhatOthersDidIsSeenOnAccessAfterRefresh) {
  f.settings.refresh = std::chrono::seconds(0);
  for (int i = 0; i < 3; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.server.expunge("Lists", Uid{1});
  f.server.set_flags("Lists", Uid{2}, FlagSet::parse("\\Seen"));
  f.server.deliver("Lists", mail("new"));
  // An access may join the end of a check that began before the change: look until it shows.
  EXPECT_TRUE(f.listener.wait([&] { return f.freshen("Lists") && f.table("Lists")->uids().to_string() == "2:4"; }));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.removed() == std::vector{Uid{1}}; }));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{4}}; }));
  EXPECT_TRUE(f.listener.wait([&] { return f.table("Lists")->find(Uid{2})->flags.has(SystemFlag::seen); }));
}

TEST_P(AccountAtEveryLevel, AnotherUidValidityIsANewDirectory) {
  f.settings.refresh = std::chrono::seconds(0);
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.server.change_uid_validity("Lists", UidValidity{99});
  // An access may join the end of a check that began before the change: look until it shows.
  EXPECT_TRUE(f.listener.wait([&] { return f.list("Lists") && f.table("Lists")->uid_validity() == UidValidity{99}; }));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.saw_everything(); }));
}

TEST_P(AccountAtEveryLevel, ARemountWithAStoreFetchesNoHeaders) {
  for (int i = 0; i < 3; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  const auto time = f.account->mailboxes().directory_time(f.id("Lists"));
  f.unmount();
  f.server.reset_counts();
  f.mount();
  EXPECT_EQ(f.account->mailboxes().directory_time(f.id("Lists")).nanoseconds, time.nanoseconds);
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_EQ(f.table("Lists")->size(), 3u);
  EXPECT_EQ(f.server.count("SELECT"), 1u);
  EXPECT_EQ(f.server.count("FETCH headers"), 0u);
  EXPECT_EQ(f.server.count("FETCH flags"), GetParam() == Level::none ? 1u : 0u);
  EXPECT_EQ(f.account->mailboxes().directory_time(f.id("Lists")).nanoseconds, time.nanoseconds);
}

TEST_P(AccountAtEveryLevel, ARemountWithoutAStoreShowsTheSame) {
  f.with_store = false;
  for (int i = 0; i < 3; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  const auto time = f.account->mailboxes().directory_time(f.id("Lists"));
  const auto name = f.table("Lists")->find(Uid{2})->file_name;
  f.unmount();
  f.mount();
  EXPECT_EQ(f.account->mailboxes().directory_time(f.id("Lists")).nanoseconds, time.nanoseconds);
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_EQ(f.table("Lists")->find(Uid{2})->file_name, name);
  EXPECT_EQ(f.account->mailboxes().directory_time(f.id("Lists")).seconds, time.seconds);
  EXPECT_EQ(f.account->mailboxes().directory_time(f.id("Lists")).nanoseconds, time.nanoseconds);
}

TEST_P(AccountAtEveryLevel, AWatchedInboxShowsNewMailAndRemovals) {
  f.settings.watch = true;
  for (int i = 0; i < 3; ++i) f.server.deliver("INBOX", mail("m"));
  f.mount();
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  ASSERT_TRUE(f.list("INBOX"));
  f.listener.clear();
  f.server.deliver("INBOX", mail("new"));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{4}}; }));
  f.server.expunge("INBOX", Uid{2});
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.removed() == std::vector{Uid{2}}; }));
  f.server.set_flags("INBOX", Uid{3}, FlagSet::parse("\\Flagged"));
  EXPECT_TRUE(f.listener.wait([&] { return f.table("INBOX")->find(Uid{3})->flags.has(SystemFlag::flagged); }));
  EXPECT_EQ(f.table("INBOX")->uids().to_string(), "1,3:4");
}

TEST_P(AccountAtEveryLevel, WithoutIdleNewMailComesByPoll) {
  f.server.set_capability("IDLE", false);
  f.server.set_capability("NOTIFY", false);
  f.settings.watch = true;
  f.mount();
  ASSERT_TRUE(f.list("INBOX"));
  f.server.deliver("INBOX", mail("new"));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
}

// -- lookups --

namespace {

std::string own_name(int uid, const std::string& subject = "m") {
  return fmt::format("2023-11-14_2213_anna@example.org_{}.{}.eml", subject, uid);
}

}  // namespace

TEST(ImapAccount, LookingUpOneUnlistedNameCostsOneSmallFetch) {
  AccountFixture f;
  for (int i = 0; i < 20; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  f.server.reset_counts();
  const auto found = f.find("Lists", "2023-11-14_2213_anna@example.org_m.7.eml");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, Uid{7});
  EXPECT_EQ(f.server.count("FETCH headers"), 1u);
  EXPECT_EQ(f.server.count("SELECT"), 1u);
  ASSERT_TRUE(f.find("Lists", found->file_name));
  EXPECT_EQ(f.find("Lists", "7.eml").error().errnum, ENOENT) << "no such name is listed";
  EXPECT_EQ(f.server.count("FETCH headers"), 1u);
  EXPECT_NE(f.table("Lists")->uid_validity(), UidValidity{0});
  EXPECT_EQ(f.table("Lists")->size(), 0u);
}

TEST(ImapAccount, ConcurrentEqualLookupsShareOneFetch) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  f.server.hold("FETCH headers");
  std::vector<std::future<Result<MessageMeta>>> waiting;
  for (int i = 0; i < 4; ++i)
    waiting.push_back(std::async(std::launch::async, [&] { return f.find("Lists", own_name(1)); }));
  ASSERT_TRUE(f.server.wait_until_held("FETCH headers"));
  f.server.release("FETCH headers");
  for (auto& lookup : waiting) EXPECT_TRUE(lookup.get());
  EXPECT_EQ(f.server.count("FETCH headers"), 1u);
}

TEST(ImapAccount, ANameWithoutUidIsRefusedWithoutTheNetwork) {
  AccountFixture f;
  f.mount();
  f.server.reset_counts();
  EXPECT_EQ(f.find("Lists", ".hidden").error().errnum, ENOENT);
  EXPECT_EQ(f.commands(), 0u);
}

TEST(ImapAccount, AnUnknownUidAndAnotherMessagesNameAreNotThere) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  EXPECT_EQ(f.find("Lists", own_name(4)).error().errnum, ENOENT);
  EXPECT_EQ(f.find("Lists", "2023-11-14_2213_anna@example.org_other.1.eml").error().errnum, ENOENT);
}

TEST(ImapAccount, NamesAskedForInVainGetTheMailboxListed) {
  AccountFixture f;
  for (int i = 0; i < 50; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  const auto another = [&](int uid) { return f.find("Lists", fmt::format("2026-01-01_0000_x_other.{}.eml", uid)); };
  for (int uid = 1; uid <= 50; ++uid) EXPECT_EQ(another(uid).error().errnum, ENOENT);
  EXPECT_TRUE(f.table("Lists")->complete());
  EXPECT_LT(f.commands(), 20u) << f.command_counts();
}

TEST(ImapAccount, ALookupInAFreshListingNeverAsks) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.server.reset_counts();
  EXPECT_TRUE(f.find("Lists", own_name(1)));
  EXPECT_EQ(f.find("Lists", own_name(2)).error().errnum, ENOENT);
  EXPECT_EQ(f.commands(), 0u);
}

TEST(ImapAccount, ANameThatIsNotThereDoesNotWaitForNewsThatAreOnTheirWay) {
  AccountFixture f;
  f.settings.watch = true;
  f.mount();
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  ASSERT_TRUE(f.list("INBOX"));
  f.server.hold("FETCH headers");
  f.server.deliver("INBOX", mail("new"));
  ASSERT_TRUE(f.server.wait_until_held("FETCH headers"));
  EXPECT_EQ(f.find("INBOX", own_name(1, "new")).error().errnum, ENOENT);
  EXPECT_EQ(f.find("INBOX", "2023-11-14_2213_anna@example.org_new.7.eml").error().errnum, ENOENT);
  f.server.release("FETCH headers");
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
  EXPECT_TRUE(f.find("INBOX", own_name(1, "new")));
}

TEST(ImapAccount, AnInteractiveLookupComesBetweenTheTurnsOfAListing) {
  AccountFixture f;
  f.settings.connections = 1;
  for (int i = 0; i < 3; ++i) f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.find("Lists", own_name(2)));
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_EQ(f.table("Lists")->size(), 3u);
}

// -- bodies and header fields --

TEST(ImapAccount, AWrongSizeIsCorrectedBeforeTheOpenCompletes) {
  AccountFixture f;
  const auto body = mail("m");
  f.server.deliver("Lists", body);
  f.server.lie_about_size("Lists", Uid{1}, 17);
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  const auto opened = await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
    f.account->bodies().open(f.id("Lists"), Uid{1}, std::move(done));
  });
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->length(), body.size());
  EXPECT_EQ(f.table("Lists")->find(Uid{1})->size, body.size());
  EXPECT_EQ(f.listener.attributes_changed(), std::vector{Uid{1}});
}

TEST(ImapAccount, TheBeginningOfALargeMessageIsReadBeforeItsLengthIsKnownToEverybody) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m") + std::string(2 << 20, 'x'));
  f.server.lie_about_size("Lists", Uid{1}, -17);
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  const auto told = f.table("Lists")->find(Uid{1})->size;
  f.server.hold("FETCH tail");
  const auto early = await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
    f.account->bodies().open_at(f.id("Lists"), Uid{1}, 0, 4096, std::move(done));
  });
  ASSERT_TRUE(early);
  EXPECT_FALSE((*early)->length_is_proved());
  EXPECT_EQ((*early)->length(), told);
  EXPECT_FALSE(f.table("Lists")->find(Uid{1})->size_is_exact);
  f.server.release("FETCH tail");
  ASSERT_TRUE(f.listener.wait([&] { return f.listener.attributes_changed() == std::vector{Uid{1}}; }));
  EXPECT_EQ(f.table("Lists")->find(Uid{1})->size, told + 17);
  EXPECT_TRUE(f.table("Lists")->find(Uid{1})->size_is_exact);
}

TEST(ImapAccount, AnOpenCanWaitForAReadOfAKnownMessage) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  EXPECT_FALSE(f.account->bodies().can_wait(f.id("Lists"), Uid{1})) << "nobody knows whether there is such a message";
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_TRUE(f.account->bodies().can_wait(f.id("Lists"), Uid{1}));
  EXPECT_FALSE(f.account->bodies().can_wait(f.id("Lists"), Uid{9}));
}

TEST(ImapAccount, AnOpenDoesNotWaitWhereSizesAreWrongUntilTheLengthWasSeen) {
  AccountFixture f;
  f.server.set_quirks({imap::Quirk::wrong_sizes});
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_FALSE(f.account->bodies().can_wait(f.id("Lists"), Uid{1}));
}

TEST(ImapAccount, OneWrongSizeMakesEveryOpenWaitForTheLength) {
  AccountFixture f;
  const auto wrong = f.server.deliver("Lists", mail("m"));
  const auto other = f.server.deliver("Lists", mail("n"));
  f.server.lie_about_size("Lists", wrong, 7);
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  EXPECT_TRUE(f.account->bodies().can_wait(f.id("Lists"), other));
  ASSERT_TRUE(await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
    f.account->bodies().open(f.id("Lists"), wrong, std::move(done));
  }));
  EXPECT_FALSE(f.account->bodies().can_wait(f.id("Lists"), other));
}

TEST(ImapAccount, AMessageOfAnUnlistedMailboxCanBeOpened) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  EXPECT_TRUE(await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
    f.account->bodies().open(f.id("Lists"), Uid{1}, std::move(done));
  }));
  EXPECT_EQ(await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
              f.account->bodies().open(f.id("Lists"), Uid{9}, std::move(done));
            })
                .error()
                .errnum,
            ENOENT);
}

TEST(ImapAccount, DetailsHoldTheRecipientsAndAreKept) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  for (int i = 0; i < 2; ++i) {
    const auto details = await<MessageDetails>([&](Completion<MessageDetails> done) {
      f.account->mailboxes().details(f.id("Lists"), Uid{1}, std::move(done));
    });
    ASSERT_TRUE(details);
    EXPECT_EQ(details->to, "bob@example.org");
    EXPECT_EQ(details->headers.subject, "m");
  }
  EXPECT_EQ(f.server.count("FETCH fields"), 1u);
}

TEST(ImapAccount, DetailsOfACachedMessageAreReadFromItsBody) {
  AccountFixture f;
  f.bodies.directory = f.directory.path();
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  {
    const auto body = await<std::shared_ptr<Body>>([&](Completion<std::shared_ptr<Body>> done) {
      f.account->bodies().open(f.id("Lists"), Uid{1}, std::move(done));
    });
    ASSERT_TRUE(body);
    ASSERT_TRUE(await<BodySlice>([&](Completion<BodySlice> done) { (*body)->read(0, 1 << 20, std::move(done)); }));
  }
  ASSERT_TRUE(f.listener.wait([&] { return f.account->status()["cache"]["bodies"] == 1; }));
  const auto details = await<MessageDetails>(
      [&](Completion<MessageDetails> done) { f.account->mailboxes().details(f.id("Lists"), Uid{1}, std::move(done)); });
  ASSERT_TRUE(details);
  EXPECT_EQ(details->to, "bob@example.org");
  EXPECT_EQ(details->headers.subject, "m");
  EXPECT_EQ(f.server.count("FETCH fields"), 0u);
}

// -- news --

TEST(ImapAccount, NotifyTellsOfAMailboxThatIsNotSelected) {
  AccountFixture f;
  f.settings.watch = true;
  f.mount();
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  ASSERT_TRUE(f.list("Lists"));
  f.server.deliver("Lists", mail("new"));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
}

TEST(ImapAccount, AMailboxCreatedOrDeletedByOthersComesAndGoes) {
  AccountFixture f;
  f.settings.watch = true;
  f.mount();
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  f.server.create_mailbox("Archive");
  EXPECT_TRUE(f.listener.wait([&] { return f.account->mailboxes().tree()->find_path("Archive") != nullptr; }));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.tree_added() == std::vector<std::string>{"Archive"}; }));
  const auto gone = f.id("Lists");
  f.server.delete_mailbox("Lists");
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.tree_removed() == std::vector<std::string>{"Lists"}; }));
  EXPECT_EQ(f.account->mailboxes().table(gone), nullptr);
}

TEST(ImapAccount, WithoutNotifyTheTreeIsCheckedOnAccess) {
  AccountFixture f;
  f.settings.refresh = std::chrono::seconds(0);
  f.mount();
  f.server.create_mailbox("Archive");
  ASSERT_TRUE(await<void>([&](Completion<void> done) { f.account->mailboxes().freshen_tree(std::move(done)); }));
  EXPECT_NE(f.account->mailboxes().tree()->find_path("Archive"), nullptr);
}

TEST(ImapAccount, TheSecondWatcherFollowsTheMailboxInUse) {
  AccountFixture f;
  f.server.set_capability("NOTIFY", false);
  f.settings.watch = true;
  f.settings.refresh = std::chrono::seconds(2);
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  ASSERT_TRUE(f.server.wait_until_idling("Lists"));
  f.server.deliver("Lists", mail("new"));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
  EXPECT_LE(f.server.live_connections(), f.settings.connections);
}

TEST(ImapAccount, AMailboxInUseIsPolled) {
  AccountFixture f;
  f.server.set_capability("NOTIFY", false);
  f.settings.watch = true;
  f.settings.connections = 1;
  f.settings.refresh = std::chrono::seconds(1);
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.server.deliver("Lists", mail("new"));
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
}

// -- offline --

TEST(ImapAccount, WithoutConnectionAndWithoutCacheThereIsNoMount) {
  AccountFixture f;
  f.mount(false);
  ASSERT_FALSE(f.started);
  EXPECT_EQ(f.started.error().errnum, EHOSTUNREACH);
}

TEST(ImapAccount, WhatIsCachedIsListedOffline) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.unmount();
  f.server.refuse_connections();
  f.mount(false);
  ASSERT_TRUE(f.started);
  EXPECT_TRUE(f.freshen("Lists"));
  EXPECT_EQ(f.table("Lists")->size(), 1u);
  EXPECT_TRUE(f.find("Lists", own_name(1)));
  const auto unlisted = f.freshen("INBOX");
  ASSERT_FALSE(unlisted);
  EXPECT_EQ(unlisted.error().errnum, EHOSTUNREACH);
}

TEST(ImapAccount, HeaderFieldsOfAListingAreDecodedOffline) {
  AccountFixture f;
  f.server.deliver("Lists", mail("=?UTF-8?Q?Gr=C3=B6=C3=9Fe?="));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  f.unmount();
  f.server.refuse_connections();
  f.mount(false);
  ASSERT_TRUE(f.started);
  const auto details = await<MessageDetails>(
      [&](Completion<MessageDetails> done) { f.account->mailboxes().details(f.id("Lists"), Uid{1}, std::move(done)); });
  ASSERT_TRUE(details);
  EXPECT_EQ(details->headers.subject, "Größe");
  EXPECT_EQ(details->headers.from, "Anna <anna@example.org>");
}

TEST(ImapAccount, PathsAreTheSameOfflineUnderAPrefix) {
  AccountFixture f;
  f.server.create_mailbox("INBOX.Archive");
  f.server.edit_mailbox("INBOX.Archive", [](auto& mailbox) { mailbox.delimiter = '.'; });
  f.server.set_namespaces({{imap::Namespace::Kind::personal, "INBOX.", "INBOX.", '.'}});
  f.mount();
  ASSERT_NE(f.account->mailboxes().tree()->find_path("Archive"), nullptr);
  f.unmount();
  f.server.refuse_connections();
  f.mount(false);
  ASSERT_TRUE(f.started);
  EXPECT_NE(f.account->mailboxes().tree()->find_path("Archive"), nullptr);
}

TEST(ImapAccount, AfterAnOutageTheWatchedMailboxCatchesUp) {
  AccountFixture f;
  f.settings.watch = true;
  f.mount();
  ASSERT_TRUE(f.list("INBOX"));
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  f.server.refuse_connections();
  f.server.drop_all_sessions();
  f.server.deliver("INBOX", mail("new"));
  EXPECT_TRUE(f.freshen("INBOX"));
  f.server.accept_connections();
  f.account->retry_now();
  EXPECT_TRUE(f.listener.wait([&] { return f.listener.added() == std::vector{Uid{1}}; }));
}

TEST(ImapAccount, StoppingEndsWhatWaits) {
  AccountFixture f;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  f.server.hold("SELECT");
  auto waiting = std::async(std::launch::async, [&, id = f.id("Lists")] {
    return await<void>([&](Completion<void> done) { f.account->mailboxes().freshen(id, std::move(done)); });
  });
  ASSERT_TRUE(f.server.wait_until_held("SELECT"));
  f.account->stop();
  EXPECT_FALSE(waiting.get());
}

// -- facts --

TEST(ImapAccount, UsageIsTheQuotaOrTheSumOfSizes) {
  AccountFixture f;
  const auto ask = [&] { return await<Usage>([&](Completion<Usage> done) { f.account->usage(std::move(done)); }); };
  f.server.set_quota(imap::Quota{10, 100});
  f.mount();
  EXPECT_EQ(ask()->limit_kib, 100u);
  EXPECT_EQ(ask()->used_kib, 10u);
  EXPECT_EQ(f.server.count("QUOTA"), 1u);
  f.unmount();
  f.server.set_quota(std::nullopt);
  f.server.deliver("Lists", std::string(3000, 'x'));
  f.mount();
  EXPECT_EQ(ask()->limit_kib, std::nullopt);
  EXPECT_EQ(ask()->used_kib, 3u);
}

TEST(ImapAccount, StatusShowsMailboxesConnectionsAndServer) {
  AccountFixture f;
  f.settings.watch = true;
  f.server.deliver("Lists", mail("m"));
  f.mount();
  ASSERT_TRUE(f.list("Lists"));
  ASSERT_TRUE(f.server.wait_until_idling("INBOX"));
  EXPECT_TRUE(f.listener.wait([&] {
    const auto status = f.account->status();
    for (const auto& mailbox : status.at("mailboxes"))
      if (mailbox.at("path") == "Lists" && mailbox.at("state") == "complete" && mailbox.at("messages") == 1 &&
          mailbox.at("method") == "listing")
        return true;
    return false;
  }));
  const auto status = f.account->status();
  EXPECT_EQ(status.at("account"), "anna@example.org");
  EXPECT_TRUE(status.at("online"));
  EXPECT_GE(status.at("connections").size(), 2u);
  EXPECT_FALSE(status.at("server").at("capabilities").empty());
}

}  // namespace
}  // namespace imapfs::sync
