// Mailboxes as directories: mkdir, rmdir, mv, with children, namespaces and names that need escaping.
#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

class Mailboxes : public WritingTest {
 protected:
  bool subscribed(const std::string& name) {
    return other().command("LSUB \"\" " + imap_quoted(name)).find("* LSUB") != std::string::npos;
  }
};

TEST_F(Mailboxes, MkdirCreatesAndSubscribes) {
  sh("mkdir Projects");
  EXPECT_TRUE(other().exists("Projects"));
  EXPECT_TRUE(subscribed("Projects"));
  EXPECT_TRUE(lists("", "Projects"));
  refused("mkdir Projects", "File exists");
}

TEST_F(Mailboxes, MkdirPMakesALevelAfterTheOther) {
  sh("mkdir -p Projects/2026/Garden && cp -r Projects/2026 Projects/2027");
  EXPECT_TRUE(other().exists("Projects/2026/Garden"));
  EXPECT_TRUE(other().exists("Projects/2027/Garden"));
  remount();
  EXPECT_EQ(mount().list("Projects/2026"), std::vector<std::string>{"Garden"});
}

TEST_F(Mailboxes, ANewOneTakesMailAtOnce) {
  file("new.eml", text_of("new"));
  sh("mkdir Projects && cp $F/new.eml Projects/");
  EXPECT_EQ(bodies("Projects"), std::vector<std::string>{mail_of("new")});
}

TEST_F(Mailboxes, RmdirDeletesAnEmptyOne) {
  sh("mkdir Projects && rmdir Projects");
  EXPECT_FALSE(other().exists("Projects"));
  EXPECT_FALSE(lists("", "Projects"));
  EXPECT_FALSE(subscribed("Projects"));
  refused("rmdir Projects", "No such file or directory");
}

TEST_F(Mailboxes, RmdirOfOneWithMailOrChildrenIsENOTEMPTY) {
  sh("mkdir -p Projects/2026 Full");
  put("Full", "apple");
  refused("rmdir Projects", "Directory not empty");
  refused("rmdir Full", "Directory not empty");
  EXPECT_EQ(count("Full", "apple"), 1u);
}

TEST_F(Mailboxes, RmdirAsksTheServerAgainWhetherSomethingWasDeliveredMeanwhile) {
  sh("mkdir Projects && ls Projects");
  put("Projects", "apple");
  refused("rmdir Projects", "Directory not empty");
  EXPECT_EQ(count("Projects", "apple"), 1u);
}

TEST_F(Mailboxes, RmdirKeepsMailThatIsOnlyFlaggedBecauseItCanStillBeHadBack) {
  sh("mkdir Projects");
  put("Projects", "apple", "\\Deleted");
  refused("rmdir Projects", "Directory not empty");
  EXPECT_TRUE(message("Projects", "apple").deleted());
  sh("rm Projects/.deleted/* && rmdir Projects");
  EXPECT_FALSE(other().exists("Projects"));
}

TEST_F(Mailboxes, InboxIsProtected) {
  refused("rmdir INBOX", "Device or resource busy");
  refused("mv INBOX Elsewhere", "Device or resource busy");
  EXPECT_TRUE(other().exists("INBOX"));
}

TEST_F(Mailboxes, MvRenamesWithChildrenAndMail) {
  sh("mkdir -p Projects/2026/Garden");
  put("Projects/2026", "apple");
  put("Projects/2026/Garden", "banana");
  sh("mv Projects/2026 Projects/Old");
  EXPECT_EQ(count("Projects/Old", "apple"), 1u);
  EXPECT_EQ(count("Projects/Old/Garden", "banana"), 1u);
  EXPECT_FALSE(other().exists("Projects/2026/Garden"));
  EXPECT_TRUE(subscribed("Projects/Old"));
  EXPECT_EQ(sh("cat Projects/Old/Garden/*banana*"), mail_of("banana"));
  EXPECT_EQ(mount().list("Projects"), std::vector<std::string>{"Old"});
}

TEST_F(Mailboxes, MvIntoAnotherDirectoryMovesTheTree) {
  sh("mkdir -p Projects/2026 Archive");
  put("Projects/2026", "apple");
  sh("mv Projects Archive/");
  EXPECT_EQ(count("Archive/Projects/2026", "apple"), 1u);
  EXPECT_EQ(sh("cat Archive/Projects/2026/*apple*"), mail_of("apple"));
  remount();
  EXPECT_EQ(mount().list("Archive"), std::vector<std::string>{"Projects"});
}

TEST_F(Mailboxes, MvKeepsNamesGivenToMessages) {
  file("new.eml", text_of("new"));
  sh("mkdir Projects && cp $F/new.eml Projects/plan.eml && mv Projects Plans");
  EXPECT_EQ(sh("cat Plans/plan.eml"), mail_of("new"));
  remount();
  EXPECT_EQ(sh("cat Plans/plan.eml"), mail_of("new"));
}

TEST_F(Mailboxes, MvOntoAnEmptyOneReplacesItAndOntoAFullOneIsRefused) {
  sh("mkdir Empty Full Plans");
  put("Full", "apple");
  refused("mv -T Plans Full", "Directory not empty");
  EXPECT_EQ(count("Full", "apple"), 1u);
  EXPECT_TRUE(other().exists("Plans"));
  put("Plans", "banana");
  sh("mv -T Plans Empty");
  EXPECT_EQ(count("Empty", "banana"), 1u);
  EXPECT_FALSE(other().exists("Plans"));
}

TEST_F(Mailboxes, MvIntoItselfIsRefused) {
  sh("mkdir -p Projects/2026");
  EXPECT_NE(script("mv Projects Projects/2026/").status, 0);
  EXPECT_TRUE(other().exists("Projects/2026"));
}

class MailboxesOfOthers : public WritingTest {
 protected:
  Mounted::Settings mount_settings() override {
    Mounted::Settings settings;
    settings.options = {"--refresh=1"};
    return settings;
  }
};

TEST_F(MailboxesOfOthers, OneThatIsMadeOrRemovedShows) {
  ASSERT_FALSE(lists("", "Theirs"));
  other().command("CREATE Theirs");
  EXPECT_TRUE(eventually([&] { return lists("", "Theirs"); }));
  other().command("DELETE Theirs");
  EXPECT_TRUE(eventually([&] { return !lists("", "Theirs"); }));
}

class OddNames : public WritingTest {
 protected:
  // Maildir++ forbids dots in names.
  std::vector<std::string> server_options() override { return {"--format=sdbox"}; }
};

TEST_F(OddNames, RoundTrip) {
  file("new.eml", text_of("new"));
  const std::vector<std::string> names{"A&B",  "日本語", "Entwürfe", "two  spaces", "quote\"d", "back\\slash",
                                       "it's", "ends.",  "a*b",      "100%",        "x{3}",     "-dash"};
  for (const auto& name : names) {
    SCOPED_TRACE(name);
    const auto quoted = shell_quote("./" + name);
    sh("mkdir " + quoted + " && cp $F/new.eml " + quoted + "/ && cat " + quoted + "/new.eml > /dev/null");
    EXPECT_TRUE(lists("", name));
  }
  remount();
  for (const auto& name : names) EXPECT_EQ(mount().list(name), std::vector<std::string>{"new.eml"}) << name;
  const auto listed = dovecot().doveadm("mailbox list -u anna -8");
  for (const char* name : {"A&B", "日本語", "Entwürfe", "two  spaces", "100%"})
    EXPECT_NE(listed.find(name), std::string::npos) << name << " in " << listed;
}

TEST_F(OddNames, RenameAndRemove) {
  sh("mkdir 'A&B' && mv 'A&B' 'C&Ü' && mkdir 'C&Ü/x' && rmdir 'C&Ü/x' 'C&Ü'");
  EXPECT_EQ(mount().run("ls | grep -c '&'").output, "0\n");
}

TEST_F(OddNames, ThatCannotBeAreRefused) {
  refused("mkdir \"$(printf 'x%.0s' $(seq 300))\"/", "");
  refused("mkdir $'line\\nbreak'", "");
}

class PrefixedMailboxes : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--separator=.", "--prefix=INBOX.", "--no-list-index"}; }
};

TEST_F(PrefixedMailboxes, AreMadeRenamedAndRemovedUnderThePrefix) {
  file("new.eml", text_of("new"));
  sh("mkdir -p Projects/2026 && cp $F/new.eml Projects/2026/");
  EXPECT_TRUE(other().exists("INBOX.Projects.2026"));
  sh("mv Projects/2026/new.eml INBOX/ && mv Projects Plans");
  sync();
  EXPECT_EQ(count("INBOX", "new"), 1u);
  EXPECT_TRUE(other().exists("INBOX.Plans.2026"));
  sh("rmdir Plans/2026 Plans");
  EXPECT_FALSE(other().exists("INBOX.Plans"));
}

TEST_F(PrefixedMailboxes, ADotInANameIsRefusedClearly) {
  EXPECT_NE(script("mkdir a.b").status, 0);
  EXPECT_FALSE(other().exists("INBOX.a"));
}

// -- levels that are no mailboxes --

struct Layout {
  const char* name;
  std::vector<std::string> options;
  std::string prefix;
  char separator;
};

class Levels : public WritingTest, public ::testing::WithParamInterface<Layout> {
 protected:
  std::vector<std::string> server_options() override {
    auto options = GetParam().options;
    options.emplace_back("--no-list-index");
    return options;
  }
  Mounted::Settings mount_settings() override {
    Mounted::Settings settings;
    settings.options = {"--refresh=1"};
    return settings;
  }
  void fill() override {
    other().command("CREATE " + imap_quoted(on_server("a/b/c")));
    put(on_server("a/b/c"), "apple");
  }
  std::string on_server(std::string path) {
    std::replace(path.begin(), path.end(), '/', GetParam().separator);
    return GetParam().prefix + path;
  }
  /// The list of mailboxes is asked for once more.
  void relist() {
    const auto name = "Theirs" + std::to_string(++lists_);
    other().command("CREATE " + imap_quoted(on_server(name)));
    EXPECT_TRUE(eventually([&] { return lists("", name); }));
  }

 private:
  int lists_ = 0;
};

TEST_P(Levels, StayWhenTheirLastChildIsMovedAwayAndTakeItBack) {
  sh("mv a/b/c x");
  relist();
  EXPECT_EQ(sh("find a | sort"), "a\na/b\n");
  refused("mkdir a/b", "File exists");
  sh("mv x a/b/c");
  EXPECT_EQ(count(on_server("a/b/c"), "apple"), 1u);
  EXPECT_EQ(sh("cat a/b/c/*apple*"), mail_of("apple"));
}

TEST_P(Levels, StayUnderWhoeverWorksInThem) {
  sh("cd a/b && mv c ../../x && ls && mkdir new && rmdir new && [ -d . ] && ls -d ../b && mv ../../x c");
  EXPECT_TRUE(other().exists(on_server("a/b/c")));
}

TEST_P(Levels, AreRemovedOneByOne) {
  sh("mv a/b/c x");
  relist();
  refused("rmdir a", "Directory not empty");
  sh("rmdir a/b a");
  relist();
  EXPECT_FALSE(lists("", "a"));
}

TEST_P(Levels, GoWithRmR) {
  sh("rm -r a");
  relist();
  EXPECT_FALSE(lists("", "a"));
  EXPECT_FALSE(other().exists(on_server("a/b/c")));
}

INSTANTIATE_TEST_SUITE_P(Layouts, Levels,
                         ::testing::Values(Layout{"Maildir", {}, "", '/'},
                                           Layout{"Prefixed", {"--separator=.", "--prefix=INBOX."}, "INBOX.", '.'},
                                           Layout{"Folders", {"--format=sdbox"}, "", '/'}),
                         [](const auto& parameter) { return parameter.param.name; });

// -- answers that are lost --

class MailboxesCutOff : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--no-tls", "--no-list-index"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    settings.options = {"-o", "insecure", "--refresh=3600"};
    return settings;
  }
  void TearDown() override {
    WritingTest::TearDown();
    proxy_.reset();
  }
  /// The server carries out what the script asks for, and its answer does not come. Without `again` there is no
  /// connection afterwards.
  void cut(const std::string& text, const std::function<bool()>& carried_out, bool again) {
    sh("ls > /dev/null");
    // Longer than it takes to see what the server has done.
    proxy_->set_link({}, {std::chrono::milliseconds(1500), 0});
    std::thread cutter([&] {
      EXPECT_TRUE(eventually(carried_out));
      proxy_->set_refusing(!again);
      proxy_->drop_connections();
      proxy_->set_link({}, {});
    });
    result_ = script(text);
    cutter.join();
    proxy_->set_refusing(false);
  }
  [[nodiscard]] const CommandResult& result() const { return result_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
  CommandResult result_;
};

TEST_F(MailboxesCutOff, MkdirWhoseAnswerIsLostSucceedsAndShows) {
  cut(
      "mkdir Projects", [&] { return other().exists("Projects"); }, true);
  EXPECT_EQ(result().status, 0) << result().errors;
  EXPECT_TRUE(lists("", "Projects"));
}

TEST_F(MailboxesCutOff, AMoveWhoseAnswerIsLostSucceedsAndShowsOneName) {
  sh("mkdir -p Projects/2026");
  cut(
      "mv Projects Plans", [&] { return other().exists("Plans/2026"); }, true);
  EXPECT_EQ(result().status, 0) << result().errors;
  EXPECT_FALSE(lists("", "Projects"));
  EXPECT_EQ(mount().list("Plans"), std::vector<std::string>{"2026"});
}

TEST_F(MailboxesCutOff, RmdirWhoseAnswerIsLostSucceeds) {
  sh("mkdir Projects");
  cut(
      "rmdir Projects", [&] { return !other().exists("Projects"); }, true);
  EXPECT_EQ(result().status, 0) << result().errors;
  EXPECT_FALSE(lists("", "Projects"));
}

TEST_F(MailboxesCutOff, WhatTheServerHasShowsAsSoonAsThereIsAConnection) {
  sh("mkdir -p Projects/2026 Empty");
  cut(
      "mkdir New", [&] { return other().exists("New"); }, false);
  EXPECT_TRUE(eventually([&] { return lists("", "New"); }));
  cut(
      "mv Projects Plans", [&] { return other().exists("Plans/2026"); }, false);
  EXPECT_TRUE(eventually([&] { return lists("", "Plans") && !lists("", "Projects"); }));
  cut(
      "rmdir Empty", [&] { return !other().exists("Empty"); }, false);
  EXPECT_TRUE(eventually([&] { return !lists("", "Empty"); }));
  EXPECT_EQ(script("stat Empty").status, 1);
  EXPECT_EQ(sh("ls Plans"), "2026\n");
}

}  // namespace
}  // namespace imapfs::testing
