// Servers that say of a change what is not so: nothing is removed for it, who asks is told, and it ends.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <tuple>
#include <utility>

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

constexpr auto without_move =
    "IMAP4rev1 LITERAL+ ENABLE ID IDLE NAMESPACE UIDPLUS CONDSTORE QRESYNC ESEARCH UNSELECT LIST-STATUS";
constexpr auto without_uids = "IMAP4rev1 LITERAL+ ENABLE IDLE NAMESPACE CONDSTORE ESEARCH UNSELECT";

std::string letter(const std::string& subject) {
  return "From: bob@example.org\nSubject: " + subject + "\nMessage-ID: <letter@example.org>\n\nHello.\n";
}

class FalseAnswers : public ImapServerTest {
 protected:
  void begin() {
    mail().deliver("INBOX", sample_message("One"));
    mail().create("Archive");
    mount_it({"--timeout=4"});
    ASSERT_EQ(files_in("INBOX"), 1U);
    ASSERT_EQ(files_in("Archive"), 0U);
  }
  CommandResult run(const std::string& script) { return mount().run(script); }
  void refused(const std::string& script) {
    const auto began = std::chrono::steady_clock::now();
    const auto result = run(script);
    EXPECT_NE(result.status, 0) << script;
    EXPECT_NE(result.errors.find("Input/output error"), std::string::npos) << script << " says " << result.errors;
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20)) << script;
  }
  std::vector<std::string> subjects(const std::string& mailbox) {
    std::vector<std::string> found;
    for (const auto& message : mail().messages(mailbox)) {
      const auto start = message.text.find("Subject: ") + 9;
      found.push_back(message.text.substr(start, message.text.find('\r', start) - start) +
                      (message.flags.contains("\\Deleted") ? "!" : ""));
    }
    return found;
  }
  using Subjects = std::vector<std::string>;
};

// -- APPEND --

/// Says OK, with a UID or without one, and does what `instead` does.
struct FalseAppend : ImapCommands {
  using ImapCommands::ImapCommands;
  void append(ImapDialogue& client, const ImapCommand& command) override {
    std::string code;
    client.account().change(
        [&](ImapAccount::Mailboxes& mailboxes) { code = instead(*mailboxes.at(command.argument(0))); });
    client.ok(command, code + "appended");
  }
  std::function<std::string(ImapMailbox&)> instead = [](ImapMailbox&) { return std::string(); };
};

std::string append_uid(const ImapMailbox& mailbox, std::uint32_t uid) {
  return "[APPENDUID " + std::to_string(mailbox.uid_validity) + ' ' + std::to_string(uid) + "] ";
}

class FalseAppends : public FalseAnswers, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Servers, FalseAppends, ::testing::Values(modern_server, without_uids),
                         names_in_order({"Uidplus", "Bare"}));

TEST_P(FalseAppends, ByAServerThatKeepsNothingLeaveTheSourceOfMv) {
  serve<FalseAppend>(GetParam()).instead = [told = false](ImapMailbox& mailbox) mutable {
    return std::exchange(told, !told) ? append_uid(mailbox, 77) : std::string();
  };
  begin();
  const TemporaryFile source(letter("Sent"));
  refused("mv " + source.path() + " Archive/letter.eml");
  refused("cp " + source.path() + " Archive/letter.eml");
  EXPECT_EQ(run("cat " + source.path()).output, letter("Sent"));
  EXPECT_EQ(files_in("Archive"), 0U);
  EXPECT_FALSE(mount().list(".imapfs/outbox").empty());
}

TEST_F(FalseAnswers, ToAppendByAServerThatKnowsTheMessageLeaveTheOldVersion) {
  serve<FalseAppend>().instead = [](ImapMailbox& mailbox) { return append_uid(mailbox, 1); };
  begin();
  refused("sed -i s/Hello/Goodbye/ INBOX/*One*");
  EXPECT_EQ(subjects("INBOX"), Subjects{"One"});
  EXPECT_EQ(run("grep -c Hello INBOX/*One*").output, "1\n");
  const TemporaryFile source(letter("Two"));
  refused("cp " + source.path() + " INBOX/*One*");
  EXPECT_EQ(subjects("INBOX"), Subjects{"One"});
  EXPECT_FALSE(mount().list(".imapfs/outbox").empty());
}

TEST_F(FalseAnswers, ToAppendByAServerThatKeepsTheOldTextLeaveTheOldVersion) {
  serve<FalseAppend>().instead = [](ImapMailbox& mailbox) {
    const auto text = mailbox.messages.front().text;
    return append_uid(mailbox, mailbox.append(text));
  };
  begin();
  // Of another length, and of the same.
  refused("sed -i s/Hello/Goodbye/ INBOX/*One*.1.eml");
  refused("sed -i s/Hello/Hallo/ INBOX/*One*.1.eml");
  EXPECT_EQ(subjects("INBOX"), (Subjects{"One", "One", "One"}));
}

/// Keeps what it is given with a field more, or its text under other line ends.
struct AddingAppend : ImapCommands {
  AddingAppend(const std::string& capabilities, bool line_ends) : ImapCommands(capabilities), line_ends_(line_ends) {}
  void append(ImapDialogue& client, const ImapCommand& command) override {
    auto changed = command;
    auto& text = changed.arguments.back();
    if (line_ends_)
      text.erase(std::remove(text.begin() + static_cast<std::ptrdiff_t>(text.find("\r\n\r\n") + 4), text.end(), '\r'),
                 text.end());
    else text.insert(0, "Received: by mail.example.org;\r\n\tnow\r\n");
    ImapCommands::append(client, changed);
  }

 private:
  const bool line_ends_;
};

class AddingAppends : public FalseAnswers, public ::testing::WithParamInterface<std::tuple<const char*, bool>> {};
INSTANTIATE_TEST_SUITE_P(Servers, AddingAppends,
                         ::testing::Combine(::testing::Values(modern_server, without_uids), ::testing::Bool()),
                         names_in_order({"AFieldWithUidplus", "LineEndsWithUidplus", "AFieldWithoutUidplus",
                                         "LineEndsWithoutUidplus"}));

TEST_P(AddingAppends, KeepWhatWasSentAllTheSame) {
  serve<AddingAppend>(std::get<0>(GetParam()), std::get<1>(GetParam()));
  begin();
  const TemporaryFile source(letter("Two"));
  EXPECT_EQ(run("cp " + source.path() + " Archive/two.eml").status, 0);
  EXPECT_EQ(run("sed -i s/Hello/Goodbye/ INBOX/*One*").status, 0);
  EXPECT_EQ(run("sync .").status, 0);
  EXPECT_EQ(subjects("Archive"), Subjects{"Two"});
  EXPECT_EQ(subjects("INBOX").back(), "One");
  EXPECT_EQ(files_in("Archive"), 1U);
  EXPECT_EQ(run("cat INBOX/*.eml | grep -c Goodbye").output, "1\n");
  EXPECT_TRUE(mount().list(".imapfs/outbox").empty());
}

TEST_P(FalseAppends, ByAServerThatShowsAnotherMessageOfTheSameSizeLeaveTheSource) {
  const bool uidplus = std::string(GetParam()) == modern_server;
  serve<FalseAppend>(GetParam()).instead = [uidplus](ImapMailbox& mailbox) {
    auto text = letter("Sent");
    text.replace(text.find("letter@"), 7, "others@");
    for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 2)) text.insert(at, "\r");
    const auto uid = mailbox.append(text);
    return uidplus ? append_uid(mailbox, uid) : std::string();
  };
  begin();
  const TemporaryFile source(letter("Sent"));
  refused("mv " + source.path() + " Archive/letter.eml");
  EXPECT_EQ(run("cat " + source.path()).output, letter("Sent"));
  EXPECT_FALSE(mount().list(".imapfs/outbox").empty());
}

// -- COPY and MOVE --

struct FalseMove : ImapCommands {
  using ImapCommands::ImapCommands;
  void move(ImapDialogue& client, const ImapCommand& command) override { lie(client, command); }
  void copy(ImapDialogue& client, const ImapCommand& command) override { lie(client, command); }
  void lie(ImapDialogue& client, const ImapCommand& command) {
    ++commands;
    client.ok(command, code + "moved");
  }
  std::string code;
  std::atomic<int> commands{0};
};

class FalseMoves : public FalseAnswers, public ::testing::WithParamInterface<const char*> {
 protected:
  void expect_the_source_stays() {
    EXPECT_EQ(run("mv INBOX/*One* Archive/").status, 0);
    refused("sync .");
    EXPECT_EQ(subjects("INBOX"), Subjects{"One"});
    EXPECT_EQ(files_in("INBOX"), 1U);
    EXPECT_EQ(files_in("Archive"), 0U);
    EXPECT_EQ(run("sync .").status, 0);
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, FalseMoves, ::testing::Values(modern_server, without_move, without_uids),
                         names_in_order({"Move", "Copy", "Bare"}));

TEST_P(FalseMoves, ByAServerThatDoesNothingLeaveTheSource) {
  auto& commands = serve<FalseMove>(GetParam());
  begin();
  expect_the_source_stays();
  EXPECT_EQ(commands.commands, 1);
}

TEST_P(FalseMoves, WithUidsOfNowhereLeaveTheSource) {
  serve<FalseMove>(GetParam()).code = "[COPYUID 1 1 4000] ";
  begin();
  expect_the_source_stays();
}

TEST_P(FalseMoves, WithAnotherCountOfUidsLeaveTheSource) {
  serve<FalseMove>(GetParam()).code = "[COPYUID 1 1 1:1000000] ";
  begin();
  expect_the_source_stays();
}

TEST_P(FalseMoves, WithAMillionUidsLeaveTheSourceAndAreGivenUp) {
  std::string uids;
  for (int uid = 1; uid <= 1'000'000; ++uid) uids += std::to_string(2 * uid) + ',';
  auto& commands = serve<FalseMove>(GetParam());
  commands.code = "[COPYUID 1 1 " + uids + "1] ";
  begin();
  expect_the_source_stays();
  EXPECT_LE(commands.commands, 4);
}

// -- STORE --

struct EndlessStore : ImapCommands {
  void store(ImapDialogue& client, const ImapCommand&) override {
    ++commands;
    std::string rows;
    for (int i = 0; i < 1000; ++i) rows += "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n";
    rows.resize(rows.size() - 2);
    while (!client.ended() && lines < 100'000'000) {
      client.raw(rows);
      client.flush();
      lines += 1000;
    }
  }
  std::atomic<int> commands{0};
  std::atomic<std::uint64_t> lines{0};
};

TEST_F(FalseAnswers, ToStoreWithoutEndAreGivenUp) {
  auto& commands = serve<EndlessStore>();
  begin();
  EXPECT_EQ(run("rm INBOX/*One*").status, 0);
  refused("sync .");
  EXPECT_EQ(files_in("INBOX"), 1U);
  EXPECT_LE(commands.commands, 4);
}

// -- views --

/// As Courier: who has opened a mailbox by EXAMINE cannot append to it.
struct ReadOnlyViews : ImapCommands {
  void select(ImapDialogue& client, const ImapCommand& command) override {
    {
      const std::lock_guard guard(mutex);
      if (command.name == "EXAMINE") examined.insert(client.number());
      else examined.erase(client.number());
    }
    ImapCommands::select(client, command);
  }
  void append(ImapDialogue& client, const ImapCommand& command) override {
    bool refuses = false;
    {
      const std::lock_guard guard(mutex);
      refuses = examined.contains(client.number()) && client.view().name() == command.argument(0);
    }
    if (refuses) return client.no(command, "Current box is selected READ-ONLY");
    ImapCommands::append(client, command);
  }
  std::mutex mutex;
  std::set<int> examined;
};

TEST_F(FalseAnswers, ThatAMailboxIsReadOnlyWhichIsOnlyReadAreNotBelieved) {
  serve<ReadOnlyViews>();
  mail().deliver("INBOX", sample_message("One"));
  mail().create("Archive");
  mount_it({"--connections=1"});
  const TemporaryFile source(letter("Sent"));
  for (int number = 1; number <= 3; ++number) {
    EXPECT_EQ(run("ls -l Archive").status, 0);
    const auto result = run("cp " + source.path() + " Archive/" + std::to_string(number) + ".eml");
    EXPECT_EQ(result.status, 0) << result.errors;
  }
  EXPECT_EQ(run("sed -i s/Hello/Goodbye/ INBOX/*One*").status, 0);
  EXPECT_EQ(run("sync .").status, 0);
  EXPECT_EQ(files_in("Archive"), 3U);
  EXPECT_EQ(run("cat INBOX/*One* | grep -c Goodbye").output, "1\n");
  EXPECT_TRUE(mount().list(".imapfs/outbox").empty());
}

}  // namespace
}  // namespace imapfs::testing
