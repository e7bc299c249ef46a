// A message that the server cannot serve hides only itself.

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

/// Fails where the header of message 3 is asked for.
struct BadHeader : ImapCommands {
  enum class How { serverbug, unavailable, hang_up, serverbug_after_rows, left_out };
  explicit BadHeader(How how) : how_(how) {}

  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    const bool asks = command.argument(1).find("HEADER.FIELDS") != std::string::npos;
    const auto uids = named(client, command);
    const bool bad = asks && std::find(uids.begin(), uids.end(), bad_uid) != uids.end();
    if (!bad) return ImapCommands::fetch(client, command);
    const bool begins = how_ == How::hang_up || how_ == How::serverbug_after_rows || how_ == How::left_out;
    if (begins) send_rows(client, command, uids);
    switch (how_) {
      case How::unavailable: return client.no(command, "[UNAVAILABLE] try again");
      case How::hang_up: return client.hang_up();
      case How::left_out: return client.ok(command);
      default: return client.no(command, "[SERVERBUG] internal error");
    }
  }

 private:
  static constexpr std::uint32_t bad_uid = 3;

  /// Up to the bad one, or all but that.
  void send_rows(ImapDialogue& client, const ImapCommand& command, const std::vector<std::uint32_t>& uids) {
    const auto items = values_in_parentheses(command.argument(1));
    client.account().look([&](const auto&) {
      for (const auto uid : uids) {
        if (uid == bad_uid && how_ != How::left_out) return;
        if (uid == bad_uid) continue;
        const auto* const message = client.view().mailbox()->find(uid);
        client.untagged(std::to_string(client.view().sequence_number(uid)) + " FETCH " +
                        fetch_row(client, *message, items));
      }
    });
  }

  const How how_;
};

class OneBadMessage : public ImapServerTest, public ::testing::WithParamInterface<BadHeader::How> {};
INSTANTIATE_TEST_SUITE_P(Ways, OneBadMessage,
                         ::testing::Values(BadHeader::How::serverbug, BadHeader::How::unavailable,
                                           BadHeader::How::hang_up, BadHeader::How::serverbug_after_rows,
                                           BadHeader::How::left_out),
                         names_in_order({"ServerBug", "Unavailable", "HangUp", "AfterRows", "LeftOut"}));

TEST_P(OneBadMessage, HidesOnlyItsSubject) {
  serve<BadHeader>(GetParam());
  mail().deliver_many("INBOX", 40);
  mount_it();
  const auto listed = mount().run("ls INBOX");
  EXPECT_EQ(listed.status, 0) << listed.errors;
  EXPECT_EQ(files_in("INBOX"), 40U);
  EXPECT_EQ(mount().run("ls INBOX | grep -c 'no-subject.3.eml$'").output, "1\n");
  EXPECT_EQ(mount().run("ls INBOX | grep -c Message-").output, "39\n");
  EXPECT_EQ(mount().run("tar cf - INBOX | tar xfO - | grep -c ^Subject").output, "40\n");
}

/// Refuses every header: that is not about a message.
struct NoHeaders : ImapCommands {
  void fetch(ImapDialogue& client, const ImapCommand& command) override { client.no(command, "[SERVERBUG] oh dear"); }
};

class BadServer : public ImapServerTest {};

TEST_F(BadServer, ThatRefusesEverythingIsNotAskedMessageByMessage) {
  serve<NoHeaders>();
  mail().deliver_many("INBOX", 200);
  mount_it();
  EXPECT_NE(mount().run("ls INBOX").status, 0);
  EXPECT_LT(server().log().count("FETCH"), 60U);
}

}  // namespace
}  // namespace imapfs::testing
