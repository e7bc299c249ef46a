// What an answer does not name is not gone by that: imapfs(7), "What is believed".

#include <algorithm>
#include <atomic>
#include <tuple>

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

constexpr auto doubt_warning = "none is taken for removed";

/// SEARCH ALL as some answer it: with sequence numbers, with the first twenty, with the last one.
struct LyingSearch : ImapCommands {
  enum class Lie { numbers, first_twenty, last, nothing };
  explicit LyingSearch(Lie lie) : ImapCommands(condstore_server), lie_(lie) {}

  void search(ImapDialogue& client, const ImapCommand& command) override {
    auto told = client.view().uids();
    if (lie_ == Lie::numbers)
      for (std::size_t at = 0; at < told.size(); ++at) told[at] = static_cast<std::uint32_t>(at) + 1;
    if (lie_ == Lie::first_twenty) told.resize(20);
    if (lie_ == Lie::last) told.erase(told.begin(), told.end() - 1);
    if (lie_ == Lie::nothing) told.clear();
    std::string numbers;
    for (const auto number : told) numbers += ' ' + std::to_string(number);
    client.untagged("SEARCH" + numbers);
    client.ok(command);
  }

 private:
  const Lie lie_;
};

class WrongSearch : public ImapServerTest, public ::testing::WithParamInterface<LyingSearch::Lie> {};
INSTANTIATE_TEST_SUITE_P(Lies, WrongSearch,
                         ::testing::Values(LyingSearch::Lie::numbers, LyingSearch::Lie::first_twenty,
                                           LyingSearch::Lie::last, LyingSearch::Lie::nothing),
                         names_in_order({"SequenceNumbers", "TheFirstTwenty", "TheLast", "Nothing"}));

TEST_P(WrongSearch, TakesAwayNothingButWhatIsGone) {
  serve<LyingSearch>(GetParam());
  mail().change([](ImapAccount::Mailboxes& all) {
    all["Archive"] = std::make_shared<ImapMailbox>();
    // Such UIDs that sequence numbers are some of them, and some are not.
    for (std::uint32_t uid = 51; uid <= 150; ++uid) {
      all["Archive"]->uid_next = uid;
      all["Archive"]->append(sample_message("Message " + std::to_string(uid)));
    }
  });
  mount_it({"--refresh=1", "--connections=2"});
  EXPECT_EQ(files_in("Archive"), 100U);
  mail().expunge("Archive", 77);
  EXPECT_TRUE(eventually([&] { return files_in("Archive") == 99; }));
  EXPECT_TRUE(server().log().wait_for("UID SEARCH"));
  EXPECT_EQ(mount().run("ls Archive | grep -c Message-77").output, "0\n");
  EXPECT_EQ(files_in("Archive"), 99U);
}

/// As many numbers as there are messages, which would be UIDs if nothing had been removed.
class WrongNumbers : public ImapServerTest {};

TEST_F(WrongNumbers, InPlaceOfUidsTakeNoOtherMessageAway) {
  serve<LyingSearch>(LyingSearch::Lie::numbers);
  mail().deliver_many("Archive", 10);
  mount_it({"--refresh=1", "--connections=2"});
  EXPECT_EQ(files_in("Archive"), 10U);
  mail().expunge("Archive", 5);
  EXPECT_TRUE(eventually([&] { return files_in("Archive") == 9; }));
  EXPECT_EQ(mount().run("cat Archive/*.eml | grep ^Subject | grep -c 'Message 10'").output, "1\n");
  EXPECT_EQ(mount().run("cat Archive/*.eml | grep ^Subject | grep -c 'Message 5'").output, "0\n");
}

/// A mailbox that cannot be read for a moment, and is counted as empty.
struct EmptyForNow : ImapCommands {
  explicit EmptyForNow(const std::string& capabilities) : ImapCommands(capabilities) {}
  std::atomic<bool> empty{false};

  void select(ImapDialogue& client, const ImapCommand& command) override {
    ImapCommands::select(client, command);
    if (empty) client.untagged("0 EXISTS");
  }
  void answer(ImapDialogue& client, const ImapCommand& command) override {
    const bool reads = command.name == "FETCH" || command.name == "SEARCH" || command.name == "STATUS";
    if (!empty || !reads) return ImapCommands::answer(client, command);
    client.no(command, "I cannot");
  }
};

class MailboxThatCannotBeRead : public ImapServerTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Servers, MailboxThatCannotBeRead,
                         ::testing::Values(plain_server, condstore_server, modern_server),
                         names_in_order({"Plain", "Condstore", "Modern"}));

TEST_P(MailboxThatCannotBeRead, IsNotEmptyForThat) {
  auto& bent = serve<EmptyForNow>(GetParam());
  mail().deliver_many("Archive", 10);
  mount_it({"--refresh=1", "--connections=1"});
  EXPECT_EQ(files_in("Archive"), 10U);
  EXPECT_EQ(mount().run("mv \"$(ls -d Archive/* | head -n 1)\" Archive/mine.eml").status, 0);
  bent.empty = true;
  server().drop_connections();
  const auto before = server().log().count(" EXAMINE ");
  EXPECT_TRUE(eventually([&] {
    const auto names = mount().run("ls Archive");
    EXPECT_TRUE(names.status != 0 || times(names.output, "\n") == 10) << names.output;
    return server().log().count(" EXAMINE ") > before + 2;
  }));
  bent.empty = false;
  EXPECT_TRUE(eventually([&] { return mount().run("ls Archive | wc -l").output == "10\n"; }));
  EXPECT_EQ(mount().run("test -f Archive/mine.eml").status, 0);
}

/// First listings whose rows come in another order, or without some that come when they are asked for by their UIDs.
struct OddListing : ImapCommands {
  enum class Way { descending, one_late, left_out };
  OddListing(Way way, const std::string& capabilities) : ImapCommands(capabilities), way_(way) {}
  std::atomic<bool> odd{true};

  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    const auto items = values_in_parentheses(command.argument(1));
    const bool lists = command.argument(1).find("HEADER.FIELDS") != std::string::npos &&
                       named(client, command).size() > 10;
    if (!odd || !lists) return ImapCommands::fetch(client, command);
    client.account().look([&](const auto&) {
      auto uids = named(client, command);
      if (way_ == Way::descending) std::reverse(uids.begin(), uids.end());
      if (way_ == Way::one_late) std::rotate(uids.begin() + 4, uids.begin() + 5, uids.end());
      if (way_ == Way::left_out) uids.erase(uids.begin() + 4, uids.begin() + 10);
      for (const auto uid : uids)
        client.untagged(std::to_string(client.view().sequence_number(uid)) + " FETCH " +
                        fetch_row(client, *client.view().mailbox()->find(uid), items));
    });
    client.ok(command);
  }

 private:
  const Way way_;
};

class OddListings : public ImapServerTest,
                    public ::testing::WithParamInterface<std::tuple<OddListing::Way, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Ways, OddListings,
                         ::testing::Combine(::testing::Values(OddListing::Way::descending, OddListing::Way::one_late,
                                                              OddListing::Way::left_out),
                                            ::testing::Values(plain_server, modern_server)),
                         names_in_order({"DescendingOfPlain", "DescendingOfModern", "OneLateOfPlain", "OneLateOfModern",
                                         "LeftOutOfPlain", "LeftOutOfModern"}));

TEST_P(OddListings, AreWholeForTheirFirstReader) {
  serve<OddListing>(std::get<0>(GetParam()), std::get<1>(GetParam()));
  mail().deliver_many("Archive", 300);
  mount_it({"--connections=2"});
  EXPECT_EQ(files_in("Archive"), 300U);
  EXPECT_EQ(files_in("Archive"), 300U);
}

/// Flags and headers of all messages but two.
struct HidesTwo : ImapCommands {
  explicit HidesTwo(const std::string& capabilities) : ImapCommands(capabilities) {}
  std::atomic<bool> hides{true};

  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    if (!hides) return ImapCommands::fetch(client, command);
    const auto items = values_in_parentheses(command.argument(1));
    client.account().look([&](const auto&) {
      for (const auto uid : named(client, command)) {
        if (uid == 3 || uid == 4) continue;
        client.untagged(std::to_string(client.view().sequence_number(uid)) + " FETCH " +
                        fetch_row(client, *client.view().mailbox()->find(uid), items));
      }
    });
    client.ok(command);
  }
};

class HiddenMessages : public ImapServerTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Servers, HiddenMessages, ::testing::Values(plain_server, condstore_server, modern_server),
                         names_in_order({"Plain", "Condstore", "Modern"}));

TEST_P(HiddenMessages, AreLookedForUntilTheyAreShown) {
  auto& bent = serve<HidesTwo>(GetParam());
  mail().deliver_many("Archive", 10);
  mount_it({"--refresh=1", "--connections=2"});
  EXPECT_EQ(files_in("Archive"), 8U);
  EXPECT_TRUE(mailbox_status("Archive").at("in_doubt"));
  bent.hides = false;
  EXPECT_TRUE(eventually([&] { return files_in("Archive") == 10; }));
  EXPECT_TRUE(eventually([&] { return mailbox_status("Archive").at("in_doubt") == false; }));
}

/// The flags of a mailbox, broken off after some rows; messages that are asked for by their UIDs one by one come, or
/// not.
struct ShortAnswer : ImapCommands {
  explicit ShortAnswer(const std::string& capabilities) : ImapCommands(capabilities) {}
  std::atomic<int> rows_at_most{1000};
  std::atomic<bool> hides{false};  ///< asked by UID it does not name them either

  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    const bool all = command.argument(0) == "1:4294967295" && command.argument(1) == "(UID FLAGS)";
    const bool by_uid = command.argument(1) == "(UID FLAGS)" && !all;
    if (!all && !(by_uid && hides)) return ImapCommands::fetch(client, command);
    int left = by_uid ? 0 : rows_at_most.load();
    client.account().look([&](const auto&) {
      for (const auto& message : client.view().mailbox()->messages) {
        const auto number = client.view().sequence_number(message.uid);
        if (number == 0 || left-- <= 0) continue;
        client.untagged(std::to_string(number) + " FETCH " + fetch_row(client, message, {"UID", "FLAGS"}));
      }
    });
    client.ok(command);
  }
};

class ShortRows : public ImapServerTest {
 protected:
  ShortAnswer& start(const std::string& capabilities, const std::vector<std::string>& options) {
    auto& bent = serve<ShortAnswer>(capabilities);
    mail().deliver_many("INBOX", 12);
    mount_it(options);
    EXPECT_EQ(files_in("INBOX"), 12U);
    EXPECT_EQ(mount().run("mv INBOX/*Message-11.* INBOX/mine.eml").status, 0);
    return bent;
  }
  /// Makes the daemon compare: the server removes a message and says so.
  void expunge_one(std::uint32_t uid) { mail().expunge("INBOX", uid); }
};

TEST_F(ShortRows, AreAskedForByTheirUids) {
  auto& bent = start(idling_server, {});
  bent.rows_at_most = 8;
  expunge_one(2);
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 11; }));
  EXPECT_EQ(mount().run("test -f INBOX/mine.eml").status, 0);
  EXPECT_FALSE(mailbox_status("INBOX").at("in_doubt"));
}

TEST_F(ShortRows, ThatStayUnclearTakeNothingAway) {
  auto& bent = start(idling_server, {"--refresh=1", "--poll=1"});
  bent.rows_at_most = 8;
  bent.hides = true;
  expunge_one(2);
  EXPECT_TRUE(eventually([&] { return mailbox_status("INBOX").at("in_doubt") == true; }));
  EXPECT_EQ(files_in("INBOX"), 12U);
  EXPECT_TRUE(eventually([&] { return server().log().count("FETCH 1:4294967295 (UID FLAGS)") > 3; }));
  EXPECT_EQ(times(mount().log(), doubt_warning), 1U);

  // The server recovers: what is gone goes, and the given name was kept.
  bent.rows_at_most = 1000;
  bent.hides = false;
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 11; }));
  EXPECT_TRUE(eventually([&] { return mailbox_status("INBOX").at("in_doubt") == false; }));
  EXPECT_EQ(mount().run("test -f INBOX/mine.eml && ! ls INBOX | grep Message-2.").status, 0);
}

TEST_F(ShortRows, OfNothingOnTheWatchersConnectionAreNoEmptyMailbox) {
  auto& bent = start(idling_server, {});
  bent.rows_at_most = 0;
  expunge_one(2);
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 11; }));
  EXPECT_EQ(mount().run("test -f INBOX/mine.eml").status, 0);
}

TEST_F(ShortRows, OfAPlainServerTakeNothingAwayOnAccess) {
  auto& bent = start(plain_server, {"--refresh=1", "--connections=1"});
  bent.rows_at_most = 8;
  bent.hides = true;
  mail().deliver("INBOX", sample_message("Fresh"));
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 13; }));
  EXPECT_EQ(mount().run("test -f INBOX/mine.eml").status, 0);
}

TEST_F(ShortRows, DoNotKeepWhatTheServerHasReallyRemoved) {
  start(plain_server, {"--refresh=1", "--connections=1"});
  mail().change([](ImapAccount::Mailboxes& all) {
    for (std::uint32_t uid = 1; uid <= 10; ++uid) all["INBOX"]->expunge(uid);
  });
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 2; }));
  mail().change([](ImapAccount::Mailboxes& all) {
    for (std::uint32_t uid = 11; uid <= 12; ++uid) all["INBOX"]->expunge(uid);
  });
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 0; }));
}

/// LIST that leaves out what the test wishes.
struct ShortList : ImapCommands {
  enum class Answer { whole, empty, without_inbox, inbox_only, half };
  explicit ShortList(Answer answer = Answer::whole, bool only_with_return = false)
      : answer_(answer), only_with_return_(only_with_return) {}
  void answer_by(Answer answer) { answer_ = answer; }

  void list(ImapDialogue& client, const ImapCommand& command) override {
    if (only_with_return_ && command.arguments.size() <= 2) return ImapCommands::list(client, command);
    switch (answer_) {
      case Answer::whole: return ImapCommands::list(client, command);
      case Answer::empty: break;
      case Answer::without_inbox: client.untagged(R"(LIST () "/" "Archive")"); break;
      case Answer::inbox_only: client.untagged(R"(LIST () "/" "INBOX")"); break;
      case Answer::half:
        for (const auto* name : {"INBOX", "Archive", "Drafts", "Sent", "Work", "More 1"})
          client.untagged(R"(LIST () "/" ")" + std::string(name) + '"');
        break;
    }
    client.ok(command);
  }

 private:
  std::atomic<Answer> answer_;
  const bool only_with_return_;
};

class WrongList : public ImapServerTest {
 protected:
  ShortList& start(ShortList::Answer answer = ShortList::Answer::whole, bool only_with_return = false) {
    auto& bent = serve<ShortList>(answer, only_with_return);
    for (const auto* name : {"Archive", "Drafts", "Sent", "Work", "More 1", "More 2", "More 3", "More 4", "More 5"})
      mail().create(name);
    mail().deliver_many("INBOX", 1);
    mount_it({"--refresh=1"});
    return bent;
  }
  /// A list that was asked for after this call has been answered.
  void see_a_new_list() {
    const auto before = server().log().count(" LIST ");
    EXPECT_TRUE(eventually([&] {
      (void)mount().list("");
      return server().log().count(" LIST ") >= before + 3;
    }));
  }
};

TEST_F(WrongList, OfNothingOrWithoutInboxOrOfLittleLeavesTheMountAsItIs) {
  auto& bent = start();
  const auto before = mount().list("");
  using enum ShortList::Answer;
  for (const auto answer : {empty, without_inbox, inbox_only, half}) {
    bent.answer_by(answer);
    see_a_new_list();
    EXPECT_EQ(mount().list(""), before);
  }
  EXPECT_NE(mount().status().at("warnings").dump().find("list of mailboxes is not believed"), std::string::npos);
  bent.answer_by(ShortList::Answer::whole);
  mail().create("New");
  EXPECT_TRUE(eventually([&] { return mount().list("").size() == before.size() + 1; }));
  EXPECT_EQ(mount().status().at("warnings").dump().find("list of mailboxes is not believed"), std::string::npos);
}

TEST_F(WrongList, IsAskedForPlainlyWhereReturnLeavesInboxOut) {
  start(ShortList::Answer::without_inbox, true);
  EXPECT_EQ(mount().list("").size(), 10U);
  EXPECT_EQ(files_in("INBOX"), 1U);
}

TEST_F(WrongList, OfManyThatAreReallyGoneIsBelieved) {
  start();
  mail().change([](ImapAccount::Mailboxes& all) {
    for (const auto* name : {"Archive", "Drafts", "Sent", "Work"}) all.erase(name);
  });
  EXPECT_TRUE(eventually([&] { return mount().list("").size() == 6; }));
}

/// An account below INBOX with shared mailboxes beside it, and a server that does not tell of one or the other for a
/// while.
struct ForgetsSpaces : ImapCommands {
  std::atomic<bool> forgets_prefix{false};
  std::atomic<bool> forgets_shared{false};
  std::atomic<bool> refuses_shared{false};

  void name_space(ImapDialogue& client, const ImapCommand& command) override {
    if (forgets_prefix) return client.no(command, "[UNAVAILABLE] not now");
    client.untagged(R"(NAMESPACE (("INBOX/" "/")) NIL (("Shared/" "/")))");
    client.ok(command);
  }
  void list(ImapDialogue& client, const ImapCommand& command) override {
    const bool shared = command.argument(1) == "Shared/*" || command.argument(1) == "Shared/%";
    if (shared && refuses_shared) return client.no(command, "not now");
    std::vector<std::string> names = {"INBOX", "INBOX/Work", "INBOX/Sent"};
    if (shared) names = {"Shared/x", "Shared/y"};
    if (shared && forgets_shared) names.clear();
    for (const auto& name : names) client.untagged(R"(LIST () "/" ")" + name + '"');
    client.ok(command);
  }
};

class Namespaces : public ImapServerTest {};

TEST_F(Namespaces, ThatAreNotToldForAWhileStayWhereTheyAre) {
  auto& bent = serve<ForgetsSpaces>();
  for (const auto* name : {"INBOX/Work", "INBOX/Sent", "Shared/x", "Shared/y"}) mail().create(name);
  mount_it({"--refresh=1"});
  const auto before = mount().run("find . -type d ! -path '*/.*' | sort").output;
  EXPECT_NE(before.find("./Work"), std::string::npos) << before;
  EXPECT_NE(before.find("./Shared/x"), std::string::npos) << before;
  for (auto* const forgets : {&bent.forgets_prefix, &bent.forgets_shared, &bent.refuses_shared}) {
    *forgets = true;
    const auto lists = server().log().count(" LIST ");
    EXPECT_TRUE(eventually([&] {
      (void)mount().list("");
      return server().log().count(" LIST ") >= lists + 4;
    }));
    EXPECT_EQ(mount().run("find . -type d ! -path '*/.*' | sort").output, before);
    *forgets = false;
  }
}

}  // namespace
}  // namespace imapfs::testing
