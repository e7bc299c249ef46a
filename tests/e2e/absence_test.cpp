// What an answer does not name is not gone by that: imapfs(7), "What is believed".

#include <atomic>

#include "support/imap_server_test.hpp"

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
    auto told = client.view();
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
                                           LyingSearch::Lie::last, LyingSearch::Lie::nothing));

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
      for (const auto& message : client.selected()->messages) {
        const auto number = client.sequence_number(message.uid);
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
  enum class Answer { whole, empty, without_inbox, inbox_only };
  explicit ShortList(Answer answer = Answer::whole, bool only_with_return = false)
      : answer_(answer), only_with_return_(only_with_return) {}
  void answer_by(Answer answer) { answer_ = answer; }

  void list(ImapDialogue& client, const ImapCommand& command) override {
    if (only_with_return_ && command.arguments.size() <= 2) return ImapCommands::list(client, command);
    switch (answer_) {
      case Answer::whole:
        return ImapCommands::list(client, command);
      case Answer::empty:
        break;
      case Answer::without_inbox:
        client.untagged(R"(LIST () "/" "Archive")");
        break;
      case Answer::inbox_only:
        client.untagged(R"(LIST () "/" "INBOX")");
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
    for (const auto* name : {"Archive", "Drafts", "Sent", "Work"}) mail().create(name);
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
  for (const auto answer : {empty, without_inbox, inbox_only}) {
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
  EXPECT_EQ(mount().list("").size(), 5U);
  EXPECT_EQ(files_in("INBOX"), 1U);
}

TEST_F(WrongList, OfManyThatAreReallyGoneIsBelieved) {
  start();
  mail().change([](ImapAccount::Mailboxes& all) {
    for (const auto* name : {"Archive", "Drafts", "Sent", "Work"}) all.erase(name);
  });
  EXPECT_TRUE(eventually([&] { return mount().list("").size() == 1; }));
}

}  // namespace
}  // namespace imapfs::testing
