// Changes by other clients become visible on a real mount, to stat as to inotify.
#include "support/mounted_test.hpp"
#include "support/source_directory.hpp"

namespace imapfs::testing {
namespace {

/// The same expectations at each level of what a server can do.
struct ServerLevel {
  const char* name;
  const char* capability;  ///< empty: all that Dovecot has
};

class News : public MountedTest, public ::testing::WithParamInterface<ServerLevel> {
 protected:
  std::vector<std::string> server_options() override {
    const std::string words = GetParam().capability;
    if (words.empty()) return {};
    return {"--capability=" + words};
  }
  Mounted::Settings mount_settings() override { return {{"--refresh=1", "--poll=1"}, "", "", ""}; }
  void fill() override {
    dovecot().deliver("INBOX", sample_message("first"));
    dovecot().deliver("INBOX", sample_message("second"));
    dovecot().doveadm("mailbox create -u anna -s Work");
    dovecot().deliver("Work", sample_message("at work"));
  }
  bool shows(const std::string& directory, const std::string& part) {
    for (const auto& name : mount().list(directory))
      if (name.find(part) != std::string::npos) return true;
    return false;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Servers, News,
    ::testing::Values(
        ServerLevel{"Full", ""},
        ServerLevel{
            "WithoutNotify",
            "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE UIDPLUS LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE QRESYNC ESEARCH"},
        ServerLevel{"CondstoreOnly", "IMAP4rev1 SASL-IR ID ENABLE IDLE NAMESPACE UIDPLUS CONDSTORE"},
        ServerLevel{"Plain", "IMAP4rev1 IDLE NAMESPACE"}, ServerLevel{"WithoutIdle", "IMAP4rev1 NAMESPACE"}),
    [](const auto& level) { return std::string(level.param.name); });

TEST_P(News, ADeliveryShowsInAListedDirectory) {
  EXPECT_EQ(mount().list("INBOX").size(), 2u);
  dovecot().deliver("INBOX", sample_message("third"));
  EXPECT_TRUE(eventually([&] { return shows("INBOX", "third"); }));
  EXPECT_EQ(mount().list("INBOX").size(), 3u);
}

TEST_P(News, AnExpungedMessageDisappears) {
  const std::string name = name_with("INBOX", "first");
  dovecot().doveadm("expunge -u anna mailbox INBOX subject first");
  EXPECT_TRUE(eventually([&] { return mount().list("INBOX").size() == 1; }));
  EXPECT_NE(mount().run("stat INBOX/" + shell_quote(name)).status, 0);
}

TEST_P(News, ChangesInAMailboxThatIsNotInboxShow) {
  EXPECT_EQ(mount().list("Work").size(), 1u);
  dovecot().deliver("Work", sample_message("more work"));
  EXPECT_TRUE(eventually([&] { return shows("Work", "more-work"); }));
}

TEST_P(News, FlagChangesReachTheAttributes) {
  const std::string name = shell_quote("INBOX/" + name_with("INBOX", "first"));
  dovecot().doveadm("flags add -u anna '\\Flagged' mailbox INBOX subject first");
  EXPECT_TRUE(eventually([&] {
    return mount().run("getfattr --only-values -n user.imap.flags " + name).output.find("\\Flagged") !=
           std::string::npos;
  }));
}

TEST_P(News, MailboxesAppearAndDisappear) {
  EXPECT_EQ(mount().run("ls Fresh").status, 2);
  // One in twenty is answered "already exists" while others look on, and is made all the same.
  (void)shell(source_directory() + "/contrib/dovecot-sandbox doveadm " + dovecot().directory() +
              " mailbox create -u anna -s Fresh");
  EXPECT_TRUE(eventually([&] { return shows("", "Fresh"); }));
  dovecot().deliver("Fresh", sample_message("inside"));
  EXPECT_TRUE(eventually([&] { return shows("Fresh", "inside"); }));
  dovecot().doveadm("mailbox delete -u anna Fresh");
  EXPECT_TRUE(eventually([&] { return !shows("", "Fresh"); }));
}

TEST_P(News, AMailboxThatWasMadeAgainShowsItsNewMail) {
  EXPECT_EQ(mount().list("Work").size(), 1u);
  const std::string before = run("stat -c %i Work/*");
  dovecot().doveadm("mailbox delete -u anna Work");
  // While somebody has the old one open, the server may still see its folder.
  ASSERT_TRUE(eventually([&] {
    return shell(source_directory() + "/contrib/dovecot-sandbox doveadm " + dovecot().directory() +
                 " mailbox create -u anna -s Work")
               .status == 0;
  }));
  dovecot().deliver("Work", sample_message("reborn"));
  EXPECT_TRUE(eventually([&] { return shows("Work", "reborn"); }));
  EXPECT_EQ(mount().list("Work").size(), 1u);
  EXPECT_NE(run("stat -c %i Work/*"), before) << "another UIDVALIDITY is another file";
}

class Watching : public MountedTest {
 protected:
  void fill() override { dovecot().deliver("INBOX", sample_message("first")); }
};

TEST_F(Watching, InotifySeesCreateAndDelete) {
  BackgroundCommand watcher("inotifywait -m -e create -e delete --format '%e %f' " +
                            shell_quote(mount().path("INBOX")));
  ASSERT_TRUE(watcher.wait_for_line("Watches established")) << watcher.output();
  ASSERT_EQ(mount().list("INBOX").size(), 1u);
  dovecot().deliver("INBOX", sample_message("arrival"));
  EXPECT_TRUE(watcher.wait_for_line("CREATE")) << watcher.output();
  EXPECT_TRUE(watcher.wait_for_line("arrival")) << watcher.output();
  dovecot().doveadm("expunge -u anna mailbox INBOX subject first");
  EXPECT_TRUE(watcher.wait_for_line("DELETE")) << watcher.output();
  EXPECT_NE(watcher.output().find("first"), std::string::npos);
  EXPECT_EQ(mount().list("INBOX").size(), 1u);
  EXPECT_NE(read_file(mount().path("INBOX/" + name_with("INBOX", "arrival"))).find("Subject: arrival"),
            std::string::npos);
}

TEST_F(Watching, AnOpenFileGoesOnAfterItsMessageIsGone) {
  const std::string name = shell_quote("INBOX/" + name_with("INBOX", "first"));
  BackgroundCommand reader("cd " + shell_quote(mount().path()) + "; exec 3< " + name +
                           "; read -r -n 1 -u 3; echo opened; until ! [ -e " + name +
                           " ]; do sleep 0.05; done; cat <&3; echo status $?");
  ASSERT_TRUE(reader.wait_for_line("opened"));
  dovecot().doveadm("expunge -u anna mailbox INBOX subject first");
  EXPECT_TRUE(reader.wait_for_line("status 0")) << reader.output();
  EXPECT_NE(reader.output().find("Subject: first"), std::string::npos) << reader.output();
}

TEST_F(Watching, TheEventFileCanBePolled) {
  ASSERT_EQ(mount().list("INBOX").size(), 1u);
  BackgroundCommand poller(
      "python3 -c 'import select; f = open(\"" + mount().path(".imapfs/events") +
      "\", \"rb\", buffering=0); p = select.poll(); p.register(f, select.POLLIN);"
      " print(\"quiet\", p.poll(0), flush=True); print(\"ready\", p.poll(30000), flush=True); print(f.read(4096))'");
  ASSERT_TRUE(poller.wait_for_line("quiet []")) << poller.output();
  dovecot().deliver("INBOX", sample_message("polled"));
  EXPECT_TRUE(poller.wait_for_line("polled")) << poller.output();
}

TEST_F(Watching, TheEventFileTellsOfArrivals) {
  ASSERT_EQ(mount().list("INBOX").size(), 1u);
  BackgroundCommand reader("cat " + shell_quote(mount().path(".imapfs/events")));
  // The reader starts at "now": deliver until it has seen one.
  for (int round = 0; round < 10; ++round) {
    dovecot().deliver("INBOX", sample_message("event " + std::to_string(round)));
    if (reader.wait_for_line("\"added\"", 2)) break;
  }
  ASSERT_NE(reader.output().find("\"added\""), std::string::npos) << reader.output();
  const auto line = nlohmann::json::parse(reader.output().substr(0, reader.output().find('\n')));
  EXPECT_EQ(line.at("event"), "added");
  EXPECT_EQ(line.at("mailbox"), "INBOX");
}

}  // namespace
}  // namespace imapfs::testing
