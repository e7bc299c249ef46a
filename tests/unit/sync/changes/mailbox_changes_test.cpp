// Mailboxes that are created, deleted and renamed through the account, flags that are set, and rights.

#include <gtest/gtest.h>

#include <thread>

#include "unit/sync/sync_test_support.hpp"

namespace imapfs::sync {
namespace {

using testing::FakeServer;

class MailboxChanges : public ::testing::Test {
 protected:
  MailboxChanges() {
    settings.account = "anna@example.org";
    settings.names = default_names();
    settings.watch = false;
    settings.timeout = test_patience;
    server.set_capability("ACL", true);
    server.create_mailbox("Lists");
    server.create_mailbox("Archive");
    server.create_mailbox("Archive/2026");
    server.create_mailbox("Archive/2026/May");
  }
  ~MailboxChanges() override {
    if (account) account->stop();
  }
  void mount(bool with_journal = true) {
    if (with_journal) journal = store::Journal::open(directory.path(), settings.account).value();
    account = std::make_unique<ImapAccount>(settings, server.factory(), store::MetadataStore::none(),
                                            std::make_shared<store::MessageCache>(store::MessageCache::Settings{}),
                                            journal, scheduler, listener);
    const auto context = CallContext::within(test_patience);
    ASSERT_TRUE(account->start(server.factory()(context).value(), context));
  }
  [[nodiscard]] MailboxId id(const std::string& path) const {
    const auto tree = account->mailboxes().tree();
    const auto* node = tree->find_path(path);
    return node == nullptr ? MailboxId{} : node->id;
  }
  [[nodiscard]] bool has(const std::string& path) const {
    return account->mailboxes().tree()->find_path(path) != nullptr;
  }
  Result<MailboxId> create(const std::string& parent, const std::string& component) {
    return await<MailboxId>(
        [&](auto done) { account->mailbox_changes().create(id(parent), component, std::move(done)); });
  }
  Result<void> remove(const std::string& path) {
    return await<void>([&](auto done) { account->mailbox_changes().remove(id(path), std::move(done)); });
  }
  Result<void> rename(const std::string& path, const std::string& parent, const std::string& component) {
    return await<void>(
        [&](auto done) { account->mailbox_changes().rename(id(path), id(parent), component, std::move(done)); });
  }
  Result<void> list(const std::string& path) {
    auto result = await<void>([&](auto done) { account->mailboxes().freshen(id(path), std::move(done)); });
    if (result && !listener.wait([&] { return account->mailboxes().table(id(path))->complete(); }))
      return fail(ETIMEDOUT, "no listing");
    return result;
  }
  Result<void> set_flags(const std::string& path, Uid uid, FlagChange::Kind kind, const std::string& flags) {
    const MessageLocation message{id(path), account->mailboxes().table(id(path))->uid_validity(), uid};
    return await<void>([&](auto done) {
      account->changes().set_flags(message, {kind, FlagSet::parse(flags)}, std::move(done));
    });
  }
  [[nodiscard]] bool on_server(const std::string& wire_name) {
    const auto context = CallContext::within(test_patience);
    const auto session = server.factory()(context).value();
    const auto rows = session->list(wire_name, context).value();
    for (const auto& row : rows)
      if (row.wire_name == wire_name) return row.selectable;
    return false;
  }
  template <class T>
  static int error_of(const Result<T>& result) {
    return result ? 0 : result.error().errnum;
  }

  TemporaryDirectory directory;
  FakeServer server;
  RecordingListener listener;
  Scheduler scheduler;
  SyncSettings settings;
  std::shared_ptr<store::Journal> journal;
  std::unique_ptr<ImapAccount> account;
};

// -- CREATE --

TEST_F(MailboxChanges, ACreatedMailboxIsInTheTreeBeforeTheReply) {
  mount();
  const auto created = create("", "Projects");
  ASSERT_TRUE(created) << created.error().what;
  EXPECT_EQ(*created, id("Projects"));
  EXPECT_TRUE(on_server("Projects"));
  EXPECT_EQ(server.count("SUBSCRIBE"), 1u);
  EXPECT_EQ(server.count("LIST"), 2u) << "one at the start, and one by this test";
}

TEST_F(MailboxChanges, ACreatedMailboxIsNoNewsForTheKernel) {
  mount();
  ASSERT_TRUE(create("Archive", "2027"));
  EXPECT_TRUE(listener.tree_added().empty());
  EXPECT_TRUE(listener.tree_removed().empty());
}

TEST_F(MailboxChanges, ANameIsEncodedForTheServer) {
  mount();
  ASSERT_TRUE(create("Archive", "Entwürfe"));
  EXPECT_TRUE(on_server("Archive/Entw&APw-rfe"));
  EXPECT_TRUE(has("Archive/Entwürfe"));
}

TEST_F(MailboxChanges, AMailboxInTheRootGetsThePersonalPrefix) {
  server.set_namespaces({{imap::Namespace::Kind::personal, "INBOX.", "INBOX.", '.'}});
  mount();
  ASSERT_TRUE(create("", "Projects"));
  EXPECT_TRUE(on_server("INBOX.Projects"));
  EXPECT_TRUE(has("Projects"));
}

TEST_F(MailboxChanges, ADirectoryThatIsOnlyALevelCanHoldAMailbox) {
  server.create_mailbox("Lists/a/b");
  mount();
  ASSERT_TRUE(create("Lists/a", "c"));
  EXPECT_TRUE(on_server("Lists/a/c"));
}

TEST_F(MailboxChanges, ALevelBecomesAMailboxUnderItsOwnName) {
  server.create_mailbox("Deep/er");
  mount();
  EXPECT_EQ(error_of(create("", "Deep")), EEXIST);
}

TEST_F(MailboxChanges, InboxExistsInAnyCase) {
  mount();
  EXPECT_EQ(error_of(create("", "inbox")), EEXIST);
  EXPECT_EQ(server.count("CREATE"), 0u);
}

TEST_F(MailboxChanges, ADelimiterInANameIsRefused) {
  server.set_namespaces({{imap::Namespace::Kind::personal, "INBOX.", "INBOX.", '.'}});
  mount();
  EXPECT_EQ(error_of(create("", "example.org")), EINVAL);
  EXPECT_EQ(server.count("CREATE"), 0u);
}

TEST_F(MailboxChanges, AHiddenNameIsNoMailboxes) {
  mount();
  EXPECT_EQ(error_of(create("", ".hidden")), EINVAL);
}

TEST_F(MailboxChanges, NothingCanBeBelowNoinferiors) {
  server.edit_mailbox("Lists", [](auto& mailbox) { mailbox.may_have_children = false; });
  mount();
  EXPECT_FALSE(account->mailboxes().rights(id("Lists")).create_children);
  EXPECT_EQ(error_of(create("Lists", "x")), EPERM);
}

TEST_F(MailboxChanges, WhatTheServerHasAndWeDoNotKnowIsExistingToo) {
  mount();
  server.create_mailbox("Projects");
  EXPECT_EQ(error_of(create("", "Projects")), EEXIST);
  EXPECT_TRUE(listener.wait([&] { return has("Projects"); })) << "the list was asked for again";
}

TEST_F(MailboxChanges, ACreateThatWasCarriedOutBeforeTheCutIsNotRepeated) {
  mount();
  server.lose_after("CREATE");
  ASSERT_TRUE(create("", "Projects"));
  EXPECT_EQ(server.count("CREATE"), 1u);
  EXPECT_TRUE(has("Projects"));
}

TEST_F(MailboxChanges, ACreateThatDidNotReachTheServerIsSentAgain) {
  mount();
  server.lose_before("CREATE");
  ASSERT_TRUE(create("", "Projects"));
  EXPECT_EQ(server.count("CREATE"), 2u);
  EXPECT_TRUE(on_server("Projects"));
}

TEST_F(MailboxChanges, WithoutAJournalNothingChanges) {
  mount(false);
  EXPECT_EQ(error_of(create("", "Projects")), EROFS);
  EXPECT_EQ(error_of(remove("Lists")), EROFS);
  EXPECT_EQ(error_of(rename("Lists", "", "Other")), EROFS);
  EXPECT_EQ(error_of(set_flags("Lists", Uid{1}, FlagChange::Kind::add, "\\Seen")), EROFS);
}

// -- DELETE --

TEST_F(MailboxChanges, AnEmptyMailboxIsDeletedAndUnsubscribed) {
  mount();
  ASSERT_TRUE(remove("Lists"));
  EXPECT_FALSE(on_server("Lists"));
  EXPECT_FALSE(has("Lists"));
  EXPECT_EQ(server.count("SUBSCRIBE"), 1u);
  EXPECT_TRUE(listener.tree_removed().empty()) << "the kernel has done it itself";
}

TEST_F(MailboxChanges, MessagesThatCameMeanwhileProtectAMailbox) {
  mount();
  ASSERT_TRUE(list("Lists"));
  server.deliver("Lists", mail("new"));
  EXPECT_EQ(error_of(remove("Lists")), ENOTEMPTY);
  EXPECT_EQ(server.count("DELETE"), 0u);
}

TEST_F(MailboxChanges, WhatDeletedStillShowsProtectsAMailboxAndTheReasonSaysSo) {
  server.deliver("Lists", mail("m"), 1, FlagSet::parse("\\Deleted"));
  mount();
  ASSERT_TRUE(list("Lists"));
  const auto removed = remove("Lists");
  EXPECT_EQ(error_of(removed), ENOTEMPTY);
  EXPECT_NE(removed.error().what.find(".deleted"), std::string::npos) << removed.error().what;
}

TEST_F(MailboxChanges, ChildrenThatOthersHaveMadeProtectAMailbox) {
  mount();
  server.create_mailbox("Lists/new");
  EXPECT_EQ(error_of(remove("Lists")), ENOTEMPTY);
  EXPECT_EQ(server.count("DELETE"), 0u);
}

TEST_F(MailboxChanges, InboxCannotBeDeletedOrRenamed) {
  mount();
  EXPECT_EQ(error_of(remove("INBOX")), EBUSY);
  EXPECT_EQ(error_of(rename("INBOX", "", "Other")), EBUSY);
}

TEST_F(MailboxChanges, ASessionDoesNotDeleteWhatItHasSelected) {
  settings.connections = 1;
  mount();
  ASSERT_TRUE(list("Lists"));
  const auto selects = server.count("SELECT");
  ASSERT_TRUE(remove("Lists"));
  EXPECT_EQ(server.count("SELECT"), selects + 1);
}

TEST_F(MailboxChanges, ADeleteThatWasCarriedOutBeforeTheCutIsNotRepeated) {
  mount();
  server.lose_after("DELETE");
  ASSERT_TRUE(remove("Lists"));
  EXPECT_EQ(server.count("DELETE"), 1u);
  EXPECT_FALSE(has("Lists"));
}

TEST_F(MailboxChanges, ADeleteThatDidNotReachTheServerLooksOnceMoreWhetherItIsEmpty) {
  mount();
  server.lose_before("DELETE");
  ASSERT_TRUE(remove("Lists"));
  EXPECT_EQ(server.count("DELETE"), 2u);
  EXPECT_EQ(server.count("STATUS"), 2u);
}

TEST_F(MailboxChanges, AMailboxThatOthersHaveDeletedIsGone) {
  mount();
  server.delete_mailbox("Lists");
  EXPECT_EQ(error_of(remove("Lists")), ENOENT);
  EXPECT_TRUE(listener.wait([&] { return !has("Lists"); }));
}

// -- RENAME --

TEST_F(MailboxChanges, ARenamedMailboxAndItsChildrenKeepTheirIds) {
  mount();
  const auto archive = id("Archive");
  const auto may = id("Archive/2026/May");
  ASSERT_TRUE(rename("Archive", "Lists", "Old"));
  EXPECT_EQ(id("Lists/Old"), archive);
  EXPECT_EQ(id("Lists/Old/2026/May"), may);
  EXPECT_FALSE(has("Archive"));
  EXPECT_TRUE(on_server("Lists/Old/2026"));
  EXPECT_FALSE(on_server("Archive"));
}

TEST_F(MailboxChanges, IdsAreStillTheSameWhenTheListIsAskedForAgain) {
  mount();
  const auto archive = id("Archive");
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_TRUE(server.wait_for_count("LIST", 2)) << "what the server made of it is looked at";
  ASSERT_TRUE(create("", "Archive"));
  EXPECT_EQ(id("Old"), archive);
  EXPECT_NE(id("Archive"), archive);
  const auto second = id("Archive");
  ASSERT_TRUE(rename("Old", "", "Older"));
  EXPECT_EQ(id("Archive"), second);
  EXPECT_EQ(id("Older"), archive);
}

TEST_F(MailboxChanges, ARenameIsNoNewsForTheKernel) {
  mount();
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_TRUE(listener.tree_added().empty());
  EXPECT_TRUE(listener.tree_removed().empty());
}

TEST_F(MailboxChanges, MessagesOfARenamedMailboxAreListedUnderTheNewName) {
  server.deliver("Archive/2026", mail("m"));
  mount();
  ASSERT_TRUE(list("Archive/2026"));
  ASSERT_TRUE(rename("Archive", "", "Old"));
  ASSERT_TRUE(list("Old/2026"));
  EXPECT_EQ(account->mailboxes().table(id("Old/2026"))->size(), 1u);
}

TEST_F(MailboxChanges, SubscriptionsFollow) {
  mount();
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_TRUE(server.wait_for_count("SUBSCRIBE", 6)) << "two for each of three mailboxes";
}

TEST_F(MailboxChanges, NamesThatUsersGaveFollow) {
  mount();
  ASSERT_TRUE(journal->set_local_name({"Archive/2026", UidValidity{5}, Uid{1}}, "offer.eml"));
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_EQ(journal->local_names("Old/2026", UidValidity{5}).value().size(), 1u);
}

TEST_F(MailboxChanges, ARenamedMailboxKeepsItsUidvalidityAndItsNamesWithoutAQuestion) {
  server.deliver("Archive/2026", mail("m"));
  mount();
  ASSERT_TRUE(list("Archive/2026"));
  const auto before = id("Archive/2026");
  const auto validity = account->mailboxes().table(before)->uid_validity();
  const MessageLocation message{before, validity, Uid{1}};
  ASSERT_TRUE(await<void>([&](auto done) { account->changes().give_name(message, "offer.eml", {}, std::move(done)); }));
  ASSERT_TRUE(rename("Archive", "", "Old"));
  ASSERT_EQ(id("Old/2026"), before);
  EXPECT_EQ(account->mailboxes().table(before)->uid_validity(), validity);
  const auto found = await<MessageMeta>(
      [&](auto done) { account->mailboxes().find_message(before, "offer.eml", std::move(done)); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, Uid{1});
}

TEST_F(MailboxChanges, ChangesOfMessagesGoOnAfterARename) {
  server.deliver("Archive/2026", mail("m"));
  mount();
  ASSERT_TRUE(list("Archive/2026"));
  const MessageLocation message{id("Archive/2026"), account->mailboxes().table(id("Archive/2026"))->uid_validity(),
                                Uid{1}};
  ASSERT_TRUE(rename("Archive", "", "Old"));
  const auto removed = await<ChangeId>([&](auto done) {
    account->changes().remove({message, {}}, {std::move(done), {}});
  });
  ASSERT_TRUE(removed);
  EXPECT_TRUE(await<void>([&](auto done) { account->changes().drain(MailboxId{0}, std::move(done)); }));
  EXPECT_TRUE(server.mailbox("Old/2026").messages.at(Uid{1}).flags.has(SystemFlag::deleted));
}

TEST_F(MailboxChanges, AnEmptyMailboxMakesWay) {
  mount();
  ASSERT_TRUE(rename("Archive/2026/May", "", "Lists"));
  EXPECT_TRUE(on_server("Lists"));
  EXPECT_FALSE(has("Archive/2026/May"));
  EXPECT_EQ(server.count("DELETE"), 1u);
  EXPECT_TRUE(listener.tree_removed().empty()) << "rename(2) has told the kernel";
}

TEST_F(MailboxChanges, AMailboxWithMessagesDoesNotMakeWay) {
  server.deliver("Lists", mail("m"));
  mount();
  EXPECT_EQ(error_of(rename("Archive", "", "Lists")), ENOTEMPTY);
  EXPECT_EQ(server.count("RENAME"), 0u);
  EXPECT_TRUE(on_server("Lists"));
}

TEST_F(MailboxChanges, AMailboxCannotLieWithinItself) {
  mount();
  EXPECT_EQ(error_of(rename("Archive", "Archive/2026", "x")), EINVAL);
  EXPECT_EQ(server.count("RENAME"), 0u);
}

TEST_F(MailboxChanges, ARenameToTheSameNameIsNothing) {
  mount();
  EXPECT_TRUE(rename("Archive", "", "Archive"));
  EXPECT_EQ(server.count("RENAME"), 0u);
}

TEST_F(MailboxChanges, ARenameThatWasCarriedOutBeforeTheCutIsNotRepeated) {
  mount();
  const auto archive = id("Archive");
  server.lose_after("RENAME");
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_EQ(server.count("RENAME"), 1u);
  EXPECT_EQ(id("Old"), archive);
}

TEST_F(MailboxChanges, ARenameThatDidNotReachTheServerIsSentAgain) {
  mount();
  server.lose_before("RENAME");
  ASSERT_TRUE(rename("Archive", "", "Old"));
  EXPECT_EQ(server.count("RENAME"), 2u);
  EXPECT_TRUE(on_server("Old/2026"));
}

// -- the tree after a cut --

TEST_F(MailboxChanges, AfterALostAnswerTheTreeIsListedBeforeTheReply) {
  mount();
  const auto lists = server.count("LIST");
  server.lose_after("CREATE");
  server.create_mailbox("Theirs");
  ASSERT_TRUE(create("", "Projects"));
  EXPECT_GT(server.count("LIST"), lists + 1) << "one to look whether it was made, one of all";
  EXPECT_TRUE(has("Theirs"));
}

/// The answer is lost, and no connection can be had before `change` has ended.
template <class Change>
void cut_off(FakeServer& server, const std::string& command, Change change) {
  server.hold(command + " answer");
  std::thread cutter([&] {
    EXPECT_TRUE(server.wait_until_held(command + " answer"));
    server.refuse_connections();
    server.drop_all_sessions();
    server.release(command + " answer");
  });
  change();
  cutter.join();
}

TEST_F(MailboxChanges, AMailboxThatWasCreatedWithoutAnAnswerShowsAsSoonAsThereIsAConnection) {
  mount();
  cut_off(server, "CREATE", [&] { EXPECT_FALSE(create("", "Projects")); });
  EXPECT_FALSE(has("Projects"));
  server.accept_connections();
  EXPECT_TRUE(listener.wait([&] { return has("Projects"); })) << "without anybody who asks for it";
}

TEST_F(MailboxChanges, AMailboxThatWasDeletedWithoutAnAnswerIsGoneAsSoonAsThereIsAConnection) {
  mount();
  cut_off(server, "DELETE", [&] { EXPECT_FALSE(remove("Lists")); });
  server.accept_connections();
  EXPECT_TRUE(listener.wait([&] { return !has("Lists"); }));
}

TEST_F(MailboxChanges, AMailboxThatWasRenamedWithoutAnAnswerHasOneNameAndItsIdAsSoonAsThereIsAConnection) {
  mount();
  const auto archive = id("Archive");
  cut_off(server, "RENAME", [&] { EXPECT_FALSE(rename("Archive", "", "Old")); });
  server.accept_connections();
  EXPECT_TRUE(listener.wait([&] { return has("Old") && !has("Archive"); }));
  EXPECT_EQ(id("Old"), archive);
  EXPECT_TRUE(has("Old/2026/May"));
}

// -- levels without a mailbox --

/// What servers make of a level whose last child has gone.
class TreeLevels : public MailboxChanges, public ::testing::WithParamInterface<bool> {
 protected:
  TreeLevels() {
    server.create_mailbox("a/b/c");
    if (!GetParam()) return;
    for (const char* level : {"a", "a/b"}) {
      server.create_mailbox(level);
      server.edit_mailbox(level, [](auto& mailbox) { mailbox.selectable = false; });
    }
  }
  /// Servers that list such levels forget them with their last child, or do not: here they do.
  void lose_levels() {
    if (!GetParam()) return;
    server.delete_mailbox("a/b");
    server.delete_mailbox("a");
  }
  void relist() {
    const auto lists = server.count("LIST");
    server.create_mailbox("Theirs" + std::to_string(lists));
    EXPECT_EQ(error_of(create("", "Theirs" + std::to_string(lists))), EEXIST);
    EXPECT_TRUE(listener.wait([&] { return has("Theirs" + std::to_string(lists)); }));
  }
};

TEST_P(TreeLevels, StayWhenTheirLastChildIsMovedAway) {
  mount();
  const auto level = id("a/b");
  // Servers forget them with the command.
  server.hold("LIST");
  ASSERT_TRUE(rename("a/b/c", "", "x"));
  lose_levels();
  server.release("LIST");
  relist();
  EXPECT_EQ(id("a/b"), level);
  EXPECT_TRUE(listener.tree_removed().empty());
  EXPECT_EQ(error_of(create("a", "b")), EEXIST);
  ASSERT_TRUE(rename("x", "a/b", "c"));
  EXPECT_TRUE(on_server("a/b/c"));
  EXPECT_FALSE(on_server("x"));
}

TEST_P(TreeLevels, StayUntilTheyAreRemovedOneByOne) {
  mount();
  ASSERT_TRUE(remove("a/b/c"));
  lose_levels();
  relist();
  EXPECT_EQ(error_of(remove("a")), ENOTEMPTY);
  ASSERT_TRUE(remove("a/b"));
  EXPECT_FALSE(has("a/b"));
  EXPECT_TRUE(has("a"));
  ASSERT_TRUE(remove("a"));
  relist();
  EXPECT_FALSE(has("a"));
}

TEST_P(TreeLevels, CanHoldNewMailboxes) {
  mount();
  ASSERT_TRUE(remove("a/b/c"));
  lose_levels();
  relist();
  ASSERT_TRUE(create("a/b", "new"));
  EXPECT_TRUE(on_server("a/b/new"));
  relist();
  EXPECT_TRUE(has("a/b/new"));
}

TEST_P(TreeLevels, CanBeRenamedWithoutTheServer) {
  mount();
  const auto level = id("a/b");
  ASSERT_TRUE(remove("a/b/c"));
  lose_levels();
  relist();
  const auto renames = server.count("RENAME");
  ASSERT_TRUE(rename("a/b", "", "z"));
  EXPECT_EQ(server.count("RENAME"), renames);
  EXPECT_EQ(id("z"), level);
  EXPECT_FALSE(has("a/b"));
  EXPECT_TRUE(has("a"));
  ASSERT_TRUE(create("z", "new"));
  EXPECT_TRUE(on_server("z/new"));
}

TEST_P(TreeLevels, GoWithTheLastChildThatOthersTakeAway) {
  mount();
  server.delete_mailbox("a/b/c");
  lose_levels();
  relist();
  EXPECT_FALSE(has("a"));
}

INSTANTIATE_TEST_SUITE_P(Server, TreeLevels, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "ListsThem" : "ImpliesThem"; });

// -- rights --

TEST_F(MailboxChanges, RightsAreAskedOncePerMailbox) {
  server.set_rights("Lists", "lrs");
  mount();
  ASSERT_TRUE(list("Lists"));
  EXPECT_TRUE(listener.wait([&] { return !account->mailboxes().rights(id("Lists")).insert; }));
  const auto rights = account->mailboxes().rights(id("Lists"));
  EXPECT_TRUE(rights.write_seen);
  EXPECT_FALSE(rights.write_flags);
  EXPECT_FALSE(rights.remove_messages);
  EXPECT_FALSE(rights.delete_mailbox);
  EXPECT_EQ(server.count("MYRIGHTS"), 1u);
  EXPECT_EQ(error_of(remove("Lists")), EACCES);
  EXPECT_EQ(error_of(create("Lists", "x")), EACCES);
  EXPECT_EQ(server.count("DELETE") + server.count("CREATE"), 0u);
}

TEST_F(MailboxChanges, RightsOfOldServersAreUnderstood) {
  server.set_rights("Lists", "lrswipcd");
  mount();
  ASSERT_TRUE(list("Lists"));
  const auto rights = account->mailboxes().rights(id("Lists"));
  EXPECT_TRUE(rights.insert && rights.remove_messages && rights.expunge && rights.create_children &&
              rights.delete_mailbox);
}

TEST_F(MailboxChanges, ARefusalMakesRightsWorthAskingAgain) {
  mount();
  ASSERT_TRUE(list("Lists"));
  ASSERT_EQ(server.count("MYRIGHTS"), 1u);
  server.set_rights("Lists", "lr");
  EXPECT_EQ(error_of(remove("Lists")), EACCES) << "the server says so";
  EXPECT_TRUE(listener.wait([&] { return !account->mailboxes().rights(id("Lists")).delete_mailbox; }));
  EXPECT_EQ(server.count("MYRIGHTS"), 2u);
}

TEST_F(MailboxChanges, WithoutUidplusNothingCanBeExpunged) {
  server.set_capability("UIDPLUS", false);
  mount();
  EXPECT_FALSE(account->mailboxes().rights(id("Lists")).expunge);
}

// -- flags --

TEST_F(MailboxChanges, FlagsAreStoredAndShownAtOnce) {
  const auto uid = server.deliver("Lists", mail("m"), 1, FlagSet::parse("\\Seen"));
  mount();
  ASSERT_TRUE(list("Lists"));
  ASSERT_TRUE(set_flags("Lists", uid, FlagChange::Kind::add, "\\Flagged work"));
  ASSERT_TRUE(set_flags("Lists", uid, FlagChange::Kind::remove, "\\Seen"));
  EXPECT_EQ(server.flags("Lists", uid).to_string(), "\\Flagged work");
  EXPECT_EQ(account->mailboxes().table(id("Lists"))->find(uid)->flags.to_string(), "\\Flagged work");
  EXPECT_TRUE(listener.wait([&] { return listener.flags_changed().size() == 2; }));
}

TEST_F(MailboxChanges, AFullSetOfFlagsReplaces) {
  const auto uid = server.deliver("Lists", mail("m"), 1, FlagSet::parse("\\Seen old"));
  mount();
  ASSERT_TRUE(list("Lists"));
  ASSERT_TRUE(set_flags("Lists", uid, FlagChange::Kind::replace, "\\Answered new"));
  EXPECT_EQ(server.flags("Lists", uid).to_string(), "\\Answered new");
}

TEST_F(MailboxChanges, FlaggingAsDeletedByHandMovesAMessageOutOfTheListing) {
  const auto uid = server.deliver("Lists", mail("m"));
  mount();
  ASSERT_TRUE(list("Lists"));
  ASSERT_TRUE(set_flags("Lists", uid, FlagChange::Kind::add, "\\Deleted"));
  EXPECT_EQ(account->mailboxes().table(id("Lists"))->deleted(), std::vector{uid});
  EXPECT_EQ(listener.removed(), std::vector{uid});
}

TEST_F(MailboxChanges, KeywordsThatTheMailboxDoesNotKeepAreRefusedBeforeAnythingIsSent) {
  server.set_permanent_flags("Lists", FlagSet::parse("\\Seen known"), false);
  const auto uid = server.deliver("Lists", mail("m"));
  mount();
  ASSERT_TRUE(list("Lists"));
  EXPECT_EQ(error_of(set_flags("Lists", uid, FlagChange::Kind::add, "unknown")), EPERM);
  EXPECT_EQ(error_of(set_flags("Lists", uid, FlagChange::Kind::add, "\\Flagged")), EPERM);
  EXPECT_TRUE(set_flags("Lists", uid, FlagChange::Kind::add, "known"));
  EXPECT_EQ(server.count("STORE"), 1u);
}

TEST_F(MailboxChanges, FlagsOfAReadOnlyMailboxCannotBeSet) {
  const auto uid = server.deliver("Lists", mail("m"));
  server.set_read_only("Lists", true);
  mount();
  ASSERT_TRUE(list("Lists"));
  EXPECT_EQ(error_of(set_flags("Lists", uid, FlagChange::Kind::add, "\\Seen")), EROFS);
  EXPECT_TRUE(account->mailboxes().rights(id("Lists")).read_only);
  EXPECT_EQ(server.count("STORE"), 0u);
}

TEST_F(MailboxChanges, FlagsWithoutTheRightAreRefusedBeforeAnythingIsSent) {
  const auto uid = server.deliver("Lists", mail("m"));
  server.set_rights("Lists", "lrs");
  mount();
  ASSERT_TRUE(list("Lists"));
  EXPECT_EQ(error_of(set_flags("Lists", uid, FlagChange::Kind::add, "\\Flagged")), EACCES);
  EXPECT_TRUE(set_flags("Lists", uid, FlagChange::Kind::add, "\\Seen"));
  EXPECT_EQ(server.count("STORE"), 1u);
}

TEST_F(MailboxChanges, AStoreWhoseAnswerWasLostIsRepeated) {
  const auto uid = server.deliver("Lists", mail("m"));
  mount();
  ASSERT_TRUE(list("Lists"));
  server.lose_after("STORE");
  ASSERT_TRUE(set_flags("Lists", uid, FlagChange::Kind::add, "\\Seen"));
  EXPECT_EQ(server.count("STORE"), 2u);
  EXPECT_EQ(server.flags("Lists", uid).to_string(), "\\Seen");
}

TEST_F(MailboxChanges, FlagsAreNotSetOnAMessageOfAnotherUidvalidity) {
  const auto uid = server.deliver("Lists", mail("m"));
  mount();
  ASSERT_TRUE(list("Lists"));
  server.change_uid_validity("Lists", UidValidity{99});
  EXPECT_EQ(error_of(set_flags("Lists", uid, FlagChange::Kind::add, "\\Seen")), ESTALE);
  EXPECT_EQ(server.flags("Lists", uid).to_string(), "");
}

}  // namespace
}  // namespace imapfs::sync
