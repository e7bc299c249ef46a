// Directories and names on a real mount: what ls, find and a shell loop see.
#include <sys/stat.h>

#include <ctime>

#include "support/mounted_test.hpp"
#include "support/source_directory.hpp"

namespace imapfs::testing {
namespace {

class SampleAccount : public MountedTest {
 protected:
  void fill() override {
    const auto result = shell(source_directory() + "/contrib/sample-mail " + dovecot().directory());
    ASSERT_EQ(result.status, 0) << result.errors;
  }
};

TEST_F(SampleAccount, ShowsMailboxesAsDirectoriesAndMessagesAsFiles) {
  EXPECT_EQ(mount().list(""),
            (std::vector<std::string>{"Archive", "Drafts", "Entwürfe & Notizen", "INBOX", "Lists", "Sent", "Trash"}));
  EXPECT_EQ(mount().list("Archive"), (std::vector<std::string>{"2025", "2026"}));
  EXPECT_EQ(mount().list("INBOX").size(), 6u);
  EXPECT_EQ(mount().list("Lists"), (std::vector<std::string>{"R&D"}));
  EXPECT_EQ(mount().list("Trash"), (std::vector<std::string>{}));
}

TEST_F(SampleAccount, NamesMessagesByDateSenderAndSubject) {
  EXPECT_EQ(name_with("INBOX", "Lunch").substr(0, 16 + 16), "2026-11-16_0812_bob@example.org_");
  EXPECT_NE(name_with("INBOX", "juergen.mueller@example.com").find("Rechnung-Nr.-4711-–-fällig-am-30.11"),
            std::string::npos);
  EXPECT_NE(name_with("INBOX", "hanako").find("会議の議事録"), std::string::npos);
}

TEST_F(SampleAccount, GivesAMessageItsInternalDateAndExactSize) {
  struct stat status {};
  ASSERT_EQ(::stat(mount().path("INBOX/" + name_with("INBOX", "Lunch")).c_str(), &status), 0);
  EXPECT_EQ(status.st_mtim.tv_sec, 1794816720) << "2026-11-16 08:12:00 UTC";
  EXPECT_EQ(status.st_ctim.tv_sec, status.st_mtim.tv_sec);
  EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFREG | 0600));
  const auto content = read_file(mount().path("INBOX/" + name_with("INBOX", "Lunch")));
  EXPECT_EQ(static_cast<std::size_t>(status.st_size), content.size());
}

TEST_F(SampleAccount, ListsEverythingWithoutFetchingABody) {
  run("ls -lR . > /dev/null && find . -size +1k > /dev/null && find . -newermt 2026-11-01 -type f > /dev/null");
  EXPECT_EQ(mount().counter("bodies_fetched"), 0u);
  EXPECT_EQ(run("find . -type f | wc -l"), "12\n");
}

TEST_F(SampleAccount, NeverListsTheHiddenDirectoryButResolvesIt) {
  EXPECT_EQ(run("ls -a | grep -c imapfs || true"), "0\n");
  EXPECT_NE(run("ls .imapfs").find("status"), std::string::npos);
}

TEST_F(SampleAccount, ResolvesAMessageByItsNumberAlone) {
  const std::string name = name_with("Archive/2026", "florist");
  EXPECT_EQ(run("stat -c %i Archive/2026/.uid/1.eml"), run("stat -c %i Archive/2026/" + shell_quote(name)));
}

TEST_F(SampleAccount, ALookupOfOneNameInAMailboxNeverListedCostsOneSmallFetch) {
  const auto before = mount().counter("headers_fetched");
  run("stat Archive/2025/.uid/1.eml > /dev/null");
  EXPECT_EQ(mount().counter("headers_fetched") - before, 1u);
}

TEST_F(SampleAccount, AMissingNameIsENOENT) {
  const auto result = mount().run("cat INBOX/99999.eml INBOX/nonsense .git Archive/1999");
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 4);
  EXPECT_NE(result.errors.find("No such file or directory"), std::string::npos);
}

class HostileNames : public MountedTest {
 protected:
  void fill() override {
    dovecot().deliver("INBOX", sample_message("a/b/../../etc/passwd"));
    dovecot().deliver("INBOX", sample_message("esc \x1b[31mred\x1b[0m \x07"));
    dovecot().deliver("INBOX", sample_message("=?UTF-8?Q?bidi_=E2=80=AEtxt.exe?="));
    dovecot().deliver("INBOX", sample_message(std::string(10000, 'x')));
    dovecot().deliver("INBOX", sample_message("invalid \xff\xfe utf8"));
    dovecot().deliver("INBOX", sample_message("-rf * ? [a] \"quoted\" 'single' `id` $(id)"));
    dovecot().deliver("INBOX", sample_message(std::string("nul =?UTF-8?Q?=00_inside?=")));
    dovecot().deliver("INBOX", "From: nobody@example.org\r\n\r\nno subject, no date\r\n");
    dovecot().deliver("INBOX", "Subject: no sender\r\n\r\n");
    dovecot().deliver("INBOX", "not a header at all\r\n");
    dovecot().deliver("INBOX", sample_message("..."));
    dovecot().deliver("INBOX", sample_message("=?UTF-8?B?" + std::string(3000, 'A') + "?="));
  }
};

TEST_F(HostileNames, AreSafeForATerminalAShellLoopAndAPath) {
  const auto names = mount().list("INBOX");
  ASSERT_EQ(names.size(), 12u);
  for (const auto& name : names) {
    EXPECT_LE(name.size(), 200u) << name;
    EXPECT_TRUE(name.ends_with(".eml")) << name;
    EXPECT_NE(name[0], '-') << name;
    EXPECT_NE(name[0], '.') << name;
    for (const char c : name) {
      EXPECT_GE(static_cast<unsigned char>(c), 0x21) << name;
      EXPECT_EQ(std::string("*?[]'\"`\\").find(c), std::string::npos) << name;
    }
    EXPECT_EQ(name.find("\xE2\x80\xAE"), std::string::npos) << "right-to-left override in " << name;
  }
  EXPECT_EQ(run("for f in INBOX/*; do cat $f > /dev/null || echo bad $f; done"), "");
}

class OddMailboxNames : public MountedTest {
 protected:
  // Maildir++ forbids dots in names.
  std::vector<std::string> server_options() override { return {"--format=sdbox"}; }
  void fill() override {
    dovecot().other_client(
        "for name in [b'A&-B', b'&ZeVnLIqe-', b'space  two', b'per%25cent', b'.dotted', b'quote\"d', b'back\\\\slash', b'ends with dot.']:\n"
        "    quoted = '\"' + name.decode().replace('\\\\', '\\\\\\\\').replace('\"', '\\\\\"') + '\"'\n"
        "    typ, answer = imap.create(quoted)\n"
        "    assert typ == 'OK', (name, answer)\n"
        "    imap.append(quoted, None, None, b'Subject: in it\\r\\n\\r\\n')\n");
  }
};

TEST_F(OddMailboxNames, RoundTripAndHoldTheirMail) {
  const auto listed = mount().list("");
  for (const std::string name :
       {"A&B", "日本語", "space  two", "%2Edotted", "quote\"d", "back\\slash", "ends with dot."}) {
    EXPECT_NE(std::find(listed.begin(), listed.end(), name), listed.end()) << name;
    EXPECT_EQ(mount().list(name).size(), 1u) << name;
  }
}

class PrefixedNamespace : public MountedTest {
 protected:
  std::vector<std::string> server_options() override { return {"--separator=.", "--prefix=INBOX.", "--public"}; }
  void fill() override {
    dovecot().deliver("INBOX", sample_message("in the inbox"));
    dovecot().other_client(
        "assert imap.create('INBOX.Work.2026')[0] == 'OK'; assert imap.create('Public.Shared')[0] == 'OK'");
    dovecot().deliver("INBOX.Work.2026", sample_message("at work"));
    dovecot().deliver("Public.Shared", sample_message("for all"));
  }
};

TEST_F(PrefixedNamespace, IsStrippedAndOthersStandBeside) {
  EXPECT_EQ(mount().list(""), (std::vector<std::string>{"Drafts", "INBOX", "Public", "Sent", "Trash", "Work"}));
  EXPECT_NE(name_with("Work/2026", "at-work"), "");
  EXPECT_NE(name_with("Public/Shared", "for-all"), "");
  EXPECT_NE(name_with("INBOX", "in-the-inbox"), "");
}

}  // namespace
}  // namespace imapfs::testing
