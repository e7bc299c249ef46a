// The servers that other tests bend are good servers by themselves, from one without any extension to one with the
// usual set.

#include "support/imap_server_test.hpp"
#include "support/parameter_names.hpp"

namespace imapfs::testing {
namespace {

class UnbentServer : public ImapServerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ImapServerTest::SetUp();
    serve<ImapCommands>(GetParam());
  }
  std::string run(const std::string& script) {
    const auto result = mount().run(script);
    EXPECT_EQ(result.status, 0) << script << "\n" << result.output << result.errors;
    return result.output;
  }
};

INSTANTIATE_TEST_SUITE_P(Capabilities, UnbentServer,
                         ::testing::Values(plain_server, idling_server, condstore_server, modern_server),
                         names_in_order({"Plain", "Idling", "Condstore", "Modern"}));

TEST_P(UnbentServer, IsListedAndRead) {
  mail().deliver_many("INBOX", 30);
  mail().deliver("Archive/2026", sample_message("Kept", "Bob Baker <bob@example.org>", "Of old.\r\n"));
  mount_it();
  EXPECT_EQ(files_in("INBOX"), 30U);
  EXPECT_EQ(run("grep -c '^Hello' INBOX/*Message-30*"), "1\n");
  EXPECT_EQ(run("tail -n 1 Archive/2026/*Kept*"), "Of old.\r\n");
  EXPECT_EQ(run("cat INBOX/* | grep -c ^Subject"), "30\n");
}

TEST_P(UnbentServer, TellsOfNewMailAndOfRemovals) {
  mail().deliver_many("INBOX", 3);
  mount_it({"--poll=1", "--refresh=1"});
  EXPECT_EQ(files_in("INBOX"), 3U);
  mail().deliver("INBOX", sample_message("Fresh"));
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 4; }));
  mail().expunge("INBOX", 2);
  EXPECT_TRUE(eventually([&] { return files_in("INBOX") == 3; }));
}

TEST_P(UnbentServer, TakesChanges) {
  mail().deliver_many("INBOX", 3);
  mail().create("Archive");
  mount_it();
  const TemporaryFile written(sample_message("Written"));
  run("cp " + written.path() + " Archive/new.eml && mv INBOX/*Message-1* Archive/");
  run("rm INBOX/*Message-2* && mkdir New && sync .");
  EXPECT_EQ(mail().messages("Archive").size(), 2U);
  EXPECT_EQ(files_in("INBOX"), 1U);
  EXPECT_EQ(files_in("Archive"), 2U);
  std::size_t mailboxes = 0;
  mail().look([&](const ImapAccount::Mailboxes& all) { mailboxes = all.size(); });
  EXPECT_EQ(mailboxes, 3U);
}

}  // namespace
}  // namespace imapfs::testing
