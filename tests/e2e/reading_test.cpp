// Bodies on a real mount: cat, grep, tar and rsync get exactly what another IMAP client gets, and nothing is marked
// read.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "support/fault_proxy.hpp"
#include "support/mounted_test.hpp"
#include "support/source_directory.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;

class Reading : public MountedTest {
 protected:
  void fill() override {
    const auto result = shell(source_directory() + "/contrib/sample-mail " + dovecot().directory());
    ASSERT_EQ(result.status, 0) << result.errors;
    dovecot().deliver("INBOX", "");
    dovecot().deliver("INBOX", "no header, no end of line");
    dovecot().deliver("INBOX", sample_message("binary", "x@example.org", std::string("\x01\xff\x80\r\n\r\n.\r\n", 9)));
    dovecot().deliver("INBOX", sample_message("bare line feeds", "x@example.org", "one\ntwo\r\nthree\n"));
  }
  /// Writes every message of every mailbox, as imaplib got it, to <directory>/<mailbox with _ for />.<uid>.
  void save_through_other_client(const std::string& directory) {
    dovecot().other_client(
        "import re\n"
        "for row in imap.list()[1]:\n"
        "    quoted = re.search(rb' (\"(?:[^\"\\\\]|\\\\.)*\"|[^ ]+)$', row).group(1).decode()\n"
        "    if not quoted.startswith('\"'): quoted = '\"' + quoted + '\"'\n"
        "    if imap.select(quoted, readonly=True)[0] != 'OK': continue\n"
        "    for uid in imap.uid('SEARCH', 'ALL')[1][0].split():\n"
        "        data = imap.uid('FETCH', uid, '(BODY.PEEK[])')[1]\n"
        "        body = data[0][1] if isinstance(data[0], tuple) else b''\n"
        "        open('" +
        directory + "/' + quoted.strip('\"').replace('/', '_') + '.' + uid.decode(), 'wb').write(body)\n");
  }
};

TEST_F(Reading, GivesEveryByteThatAnotherClientGets) {
  TemporaryDirectory expected(on_disk());
  save_through_other_client(expected.path());
  std::size_t compared = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(mount().path())) {
    if (!entry.is_regular_file()) continue;
    std::string mailbox = std::filesystem::relative(entry.path().parent_path(), mount().path());
    std::replace(mailbox.begin(), mailbox.end(), '/', '_');
    if (mailbox.find("Entw") == 0) mailbox = "Entw&APw-rfe &- Notizen";
    if (mailbox == "Lists_R&D") mailbox = "Lists_R&-D";
    const std::string stem = entry.path().stem();
    const std::string uid = stem.substr(stem.rfind('.') + 1);
    const std::string reference = expected.path(mailbox + "." + uid);
    ASSERT_TRUE(std::filesystem::exists(reference)) << reference;
    EXPECT_EQ(read_file(entry.path()), read_file(reference)) << entry.path();
    EXPECT_EQ(std::filesystem::file_size(entry.path()), read_file(reference).size()) << entry.path();
    ++compared;
  }
  EXPECT_EQ(compared, 16u);
}

TEST_F(Reading, NeverSetsSeen) {
  run("grep -r . . > /dev/null; find . -type f -exec cat {} + > /dev/null");
  EXPECT_EQ(dovecot().doveadm("search -u anna mailbox INBOX seen"), "");
  EXPECT_NE(dovecot().doveadm("search -u anna mailbox INBOX unseen"), "");
}

TEST_F(Reading, GrepFindsTextInEveryMailbox) {
  EXPECT_EQ(run("grep -rli invoice . | wc -l"), "2\n");
  EXPECT_EQ(mount().run("grep -rl nothing-has-this .").status, 1);
}

TEST_F(Reading, HeadReadsTheBeginning) { EXPECT_EQ(run("head -c 20 INBOX/*Lunch*").size(), 20u); }

TEST_F(Reading, TarOfTheMountIsComplete) {
  TemporaryDirectory copy(on_disk());
  run("tar cf - . | tar xf - -C " + copy.path());
  EXPECT_EQ(run("diff -r . " + copy.path()), "");
}

TEST_F(Reading, ASecondRsyncTransfersAndFetchesNothing) {
  TemporaryDirectory copy(on_disk());
  run("rsync -a . " + copy.path());
  const auto fetched = mount().counter("bodies_fetched");
  EXPECT_EQ(fetched, 16u);
  const std::string second = run("rsync -ai . " + copy.path());
  EXPECT_EQ(second, "") << "nothing is itemised";
  EXPECT_EQ(mount().counter("bodies_fetched"), fetched);
}

TEST_F(Reading, ABodyIsFetchedOnce) {
  run("cat INBOX/*Lunch* > /dev/null; cat INBOX/*Lunch* > /dev/null");
  EXPECT_EQ(mount().counter("bodies_fetched"), 1u);
}

TEST_F(Reading, EightReadersAtOnceCostOneFetchEach) {
  run("for i in 1 2 3 4 5 6 7 8; do cat INBOX/* > /dev/null & done; wait");
  EXPECT_EQ(mount().counter("bodies_fetched"), 10u);
}

TEST_F(Reading, ExtendedAttributesShowWhatTheServerKnows) {
  const std::string name = shell_quote("INBOX/" + name_with("INBOX", "Lunch"));
  EXPECT_EQ(run("getfattr --only-values -n user.imap.uid " + name), "1");
  EXPECT_NE(run("getfattr --only-values -n user.imap.subject " + name).find("Lunch on Friday?"), std::string::npos);
  EXPECT_NE(run("getfattr --only-values -n user.imap.from " + name).find("bob@example.org"), std::string::npos);
  EXPECT_EQ(run("getfattr --only-values -n user.imap.message-id " + name), "<lunch-1@example.org>");
  EXPECT_NE(mount().run("getfattr -n user.imap.nothing " + name).status, 0);
}

TEST_F(Reading, EveryChangeIsRefusedAsReadOnly) {
  Mounted read_only(dovecot(), {{"-o", "ro"}, "", "", ""});
  const std::string name = shell_quote("INBOX/" + name_with("INBOX", "Lunch"));
  for (const std::string& change : std::vector<std::string>{
           "touch INBOX/new.eml", "rm -f " + name, "mv -f " + name + " Sent/", "mkdir New", "rmdir Trash",
           "mv Trash Bin", "echo x >> " + name, "cp " + name + " Sent/", "truncate -s 0 " + name,
           "ln " + name + " INBOX/link", "ln -s x INBOX/link", "setfattr -n user.imap.flags -v '+\\Seen' " + name}) {
    const auto result = read_only.run(change);
    EXPECT_NE(result.status, 0) << change;
    EXPECT_NE(result.errors.find("Read-only file system"), std::string::npos) << change << ": " << result.errors;
  }
  EXPECT_EQ(mount().list("INBOX").size(), 10u);
}

class LargeMessage : public MountedTest {
 protected:
  [[nodiscard]] virtual std::size_t size() const { return 100'000'000; }
  void fill() override {
    dovecot().other_client(
        "body = b'From: big@example.org\\r\\nSubject: large\\r\\n\\r\\n'\n"
        "line = b''.join(b'%08d' % i for i in range(9)) + b'\\r\\n'\n"
        "body += b''.join(b'%07d ' % i + line[8:] for i in range(" +
        std::to_string(size()) +
        " // 74))\n"
        "open('" +
        dovecot().directory() +
        "/large', 'wb').write(body)\n"
        "assert imap.append('INBOX', None, None, body)[0] == 'OK'\n");
  }
};

TEST_F(LargeMessage, ItsBeginningCostsAtMostAMegabyte) {
  const auto before = mount().counter("body_bytes_fetched");
  EXPECT_EQ(run("head -c 4096 INBOX/*large* | wc -c"), "4096\n");
  EXPECT_LE(mount().counter("body_bytes_fetched") - before, 1u << 20);
}

TEST_F(LargeMessage, IsReadByteForByte) { EXPECT_EQ(run("cmp INBOX/*large* " + dovecot().directory() + "/large"), ""); }

TEST_F(LargeMessage, IsReadInAnyOrder) {
  EXPECT_EQ(run("f=$(echo INBOX/*large*); tail -c 1000 \"$f\" | cmp - <(tail -c 1000 " + dovecot().directory() +
                "/large);"
                "dd if=\"$f\" bs=1000 skip=50000 count=7 status=none | cmp - <(dd if=" +
                dovecot().directory() + "/large bs=1000 skip=50000 count=7 status=none)"),
            "");
}

class LargeMessageOnAStalledConnection : public LargeMessage {
 protected:
  [[nodiscard]] std::size_t size() const override { return 5'000'000; }
  std::vector<std::string> server_options() override { return {"--no-tls"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.options = {"-o", "insecure", "--timeout=20"};
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    return settings;
  }
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(LargeMessageOnAStalledConnection, ItsBeginningIsReadBeforeItsEndHasCome) {
  const std::string original = dovecot().directory() + "/large";
  run("ls INBOX");
  // Less than the beginning that is asked for, so nothing of the end passes.
  proxy().set_trap(FaultProxy::Trap{FaultProxy::Direction::from_server, 200'000, FaultProxy::Trap::Action::hold});
  EXPECT_EQ(run("head -c 4096 INBOX/*large* | cmp - <(head -c 4096 " + original + ")"), "");
  EXPECT_TRUE(proxy().wait_for_trap(10s));
  EXPECT_EQ(run("head -c 20000 INBOX/*large* | cmp - <(head -c 20000 " + original + ")"), "");
  proxy().release();
  EXPECT_EQ(run("cmp INBOX/*large* " + original), "");
}

class Quota : public MountedTest {
 protected:
  std::vector<std::string> server_options() override { return {"--quota=20M"}; }
  void fill() override { dovecot().deliver("INBOX", sample_message("one")); }
};

TEST_F(Quota, IsShownByDf) { EXPECT_EQ(run("df --output=size -B1024 . | tail -n 1 | tr -d ' '"), "20480\n"); }

}  // namespace
}  // namespace imapfs::testing
