// A mount that nobody uses leaves the server alone, whatever the server says.

#include <atomic>
#include <thread>

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

constexpr std::size_t most_commands = 30;       // a minute
constexpr std::size_t most_of_a_quiet_one = 2;  // a minute and connection
/// Pauses grow: what happens in these seconds is most of what happens in a minute.
constexpr auto window = std::chrono::seconds(12);

/// IDLE as servers answer it that say something every time.
struct TalkativeIdle : ImapCommands {
  enum class Way { ok_at_once, plus_and_ok, exists, fetch, vanished, still_here };
  explicit TalkativeIdle(Way way) : way_(way) {}

  void idle(ImapDialogue& client, const ImapCommand& command) override {
    if (way_ != Way::ok_at_once) client.continuation("idling");
    switch (way_) {
      case Way::ok_at_once:
      case Way::plus_and_ok: return client.ok(command);
      case Way::exists: client.untagged(std::to_string(client.view().uids().size()) + " EXISTS"); break;
      case Way::fetch: client.untagged("1 FETCH (UID 1 FLAGS ())"); break;
      case Way::vanished: client.untagged("VANISHED 4711"); break;
      case Way::still_here: client.untagged("OK Still here"); break;
    }
    if (client.idle()) client.ok(command);
  }

 private:
  const Way way_;
};

/// A FETCH of nobody knows what with every UID FETCH.
struct TalkativeFetch : ImapCommands {
  using ImapCommands::ImapCommands;
  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    client.untagged("1 FETCH (FLAGS ())");
    ImapCommands::fetch(client, command);
  }
};

/// Flags that are others with every IDLE: news without end.
struct FlippingIdle : ImapCommands {
  using ImapCommands::ImapCommands;
  void idle(ImapDialogue& client, const ImapCommand& command) override {
    client.continuation("idling");
    client.untagged(flips_++ % 2 == 0 ? "1 FETCH (UID 1 FLAGS (\\Seen))" : "1 FETCH (UID 1 FLAGS ())");
    if (client.idle()) client.ok(command);
  }

 private:
  std::atomic<unsigned> flips_{0};
};

/// A list that has changed, with every answer.
struct TalkativeLists : ImapCommands {
  using ImapCommands::ImapCommands;
  void answer(ImapDialogue& client, const ImapCommand& command) override {
    if (client.view().mailbox()) client.untagged(R"(LIST () "/" "Archive")");
    ImapCommands::answer(client, command);
  }
};

class Storm : public ImapServerTest {
 protected:
  /// Commands of a window in which nobody uses the mount.
  std::size_t commands_meanwhile() {
    const auto since = ImapLog::Clock::now();
    std::this_thread::sleep_for(window);
    return server().log().count("", since);
  }
  void fill_and_look() {
    mail().deliver_many("INBOX", 3);
    mail().deliver_many("Archive", 3);
    mount_it();
    EXPECT_EQ(files_in("INBOX"), 3U);
    EXPECT_EQ(files_in("Archive"), 3U);
  }
};

class StormOfIdle : public Storm, public ::testing::WithParamInterface<TalkativeIdle::Way> {};
INSTANTIATE_TEST_SUITE_P(Ways, StormOfIdle,
                         ::testing::Values(TalkativeIdle::Way::ok_at_once, TalkativeIdle::Way::plus_and_ok,
                                           TalkativeIdle::Way::exists, TalkativeIdle::Way::fetch,
                                           TalkativeIdle::Way::vanished, TalkativeIdle::Way::still_here),
                         names_in_order({"OkAtOnce", "PlusAndOk", "Exists", "Fetch", "Vanished", "StillHere"}));

TEST_P(StormOfIdle, IsNotRaised) {
  serve<TalkativeIdle>(GetParam());
  fill_and_look();
  EXPECT_LE(commands_meanwhile(), most_commands);
  // And news is still news.
  mail().deliver("INBOX", sample_message("Fresh"));
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 4; }));
}

TEST_F(Storm, IsNotRaisedByRowsWithoutUid) {
  for (const auto* capabilities : {plain_server, idling_server, modern_server}) {
    serve<TalkativeFetch>(capabilities);
    fill_and_look();
    EXPECT_LE(commands_meanwhile(), most_commands) << capabilities;
  }
}

TEST_F(Storm, IsNotRaisedByListsThatChangeNothing) {
  serve<TalkativeLists>();
  fill_and_look();
  EXPECT_LE(commands_meanwhile(), most_commands);
}

TEST_F(Storm, IsNotRaisedByNewsWithoutEnd) {
  serve<FlippingIdle>();
  fill_and_look();
  (void)commands_meanwhile();  // a burst is welcome
  EXPECT_LE(commands_meanwhile(), most_commands);
}

TEST_F(Storm, IsNotRaisedByAQuietServer) {
  serve();
  fill_and_look();
  const auto since = ImapLog::Clock::now();
  EXPECT_LE(commands_meanwhile(), 2 * most_of_a_quiet_one);
  EXPECT_LE(server().log().most_of_one_connection(since), most_of_a_quiet_one);
}

}  // namespace
}  // namespace imapfs::testing
