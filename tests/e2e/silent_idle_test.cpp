// IDLE is trusted once it has told of something (GNU imap4d takes it and never does).

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

/// Tells of nothing while it waits, nor before it is asked for something else.
struct MuteIdle : ImapCommands {
  using ImapCommands::ImapCommands;
  void idle(ImapDialogue& client, const ImapCommand& command) override {
    client.continuation("idling");
    if (client.line()) client.tagged(command, "OK done");
  }
};

class IdleThatIsSilent : public ImapServerTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Capabilities, IdleThatIsSilent,
                         ::testing::Values(idling_server, condstore_server, modern_server),
                         names_in_order({"Idling", "Condstore", "Modern"}));

TEST_P(IdleThatIsSilent, IsPolledAndRemembered) {
  serve<MuteIdle>(GetParam());
  mail().deliver_many("INBOX", 1);
  mail().deliver_many("Archive", 1);
  mount_it({"--poll=1", "--refresh=3600"});
  EXPECT_EQ(files_in("INBOX"), 1U);
  EXPECT_EQ(files_in("Archive"), 1U);
  EXPECT_TRUE(server().log().wait_for("IDLE", 2)) << "INBOX and the mailbox in use";
  EXPECT_EQ(mount().status().at("server").at("idle"), "unproved");
  mail().deliver("Archive", sample_message("Fresh"));
  EXPECT_TRUE(eventually([&] { return files_in("Archive") == 2; }, 15));
  EXPECT_EQ(mount().status().at("server").at("idle"), "silent");
  mail().deliver("INBOX", sample_message("Fresh"));
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 2; }, 15));
}

class SilentIdle : public ImapServerTest {};

TEST_F(SilentIdle, ThatTellsAfterAllIsTrusted) {
  serve(condstore_server);
  mail().deliver_many("INBOX", 1);
  mount_it({"--poll=1", "--refresh=3600"});
  EXPECT_EQ(files_in("INBOX"), 1U);
  EXPECT_TRUE(server().log().wait_for("IDLE"));
  // A poll may be first; then the next one counts.
  int messages = 1;
  EXPECT_TRUE(eventually([&] {
    mail().deliver("INBOX", sample_message("Fresh"));
    ++messages;
    return eventually([&] { return files_in("INBOX") == static_cast<std::size_t>(messages); }) &&
           eventually([&] { return mount().status().at("server").at("idle") == "tells"; }, 2);
  }));
}

}  // namespace
}  // namespace imapfs::testing
