// Changing a message: the server gets a new one with the same flags and date, then loses the old one, and the name
// stays.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

constexpr std::int64_t put_date = 1588587630;  // as WritingTest::put() gives it

/// For python(): the text as it is to be.
const std::string edited = "text = open(name, \"rb\").read().replace(b\"Hello\", b\"changed\")\n";

/// A program that opens $M for writing and writes as an editor does.
std::string python(const std::string& body) {
  return "python3 -c 'import os, sys\nname = sys.argv[1]\n" + body + "' $M";
}

/// Something that changes the message in the file $M; afterwards its text has the word "changed".
struct Editor {
  const char* name;
  std::string script;
};

const Editor editors[] = {
    {"sed -i", "sed -i 's/^Hello/changed/' $M"},
    {"ed", "printf ',s/^Hello/changed/\\nw\\nq\\n' | ed -s $M"},
    {"vim", "vim -u NONE -N -n -es -c '%s/^Hello/changed/' -c 'wq' $M"},
    {"vim with a swap file",
     "vim -u NONE -N -es -c 'set directory=. writebackup backupdir=.' -c '%s/^Hello/changed/' -c 'wq' $M"},
    {"vim with a backup by renaming",
     "vim -u NONE -N -n -es -c 'set writebackup backupcopy=no' -c '%s/^Hello/changed/' -c 'wq' $M"},
    {"nano",
     python("text = open(name, \"rb\").read().replace(b\"Hello\", b\"changed\")\n"
            "file = os.open(name, os.O_WRONLY | os.O_TRUNC); os.write(file, text); os.fsync(file); os.close(file)")},
    {"cat over it", "sed 's/^Hello/changed/' $M > $F/text && cat $F/text > $M"},
    {"cp over it", "sed 's/^Hello/changed/' $M > $F/text && cp $F/text $M"},
    {"rsync --inplace", "sed 's/^Hello/changed/' $M > $F/text && rsync -I --inplace $F/text $M"},
    {"rsync", "sed 's/^Hello/changed/' $M > $F/text && rsync -I $F/text $M"},
    {"appending", "echo changed >> $M"},
    {"in place",
     python(
         "file = open(name, \"r+b\"); text = file.read(); at = text.index(b\"Hello\"); file.seek(at); file.write(b\"changed\\r\\n\")\n"
         "file.truncate(); file.close()")},
    {"truncating and appending",
     "cut=$(grep -b -o Hello $M | head -n 1 | cut -d: -f1) && truncate -s $cut $M && echo changed >> $M"},
    {"atomically",
     python(
         "text = open(name, \"rb\").read().replace(b\"Hello\", b\"changed\"); temporary = os.path.dirname(name) + \"/.tmp.4711\"\n"
         "open(temporary, \"wb\").write(text); os.replace(temporary, name)")},
    {"vim as it comes", "vim -u NONE -N -es -c '%s/^Hello/changed/' -c 'wq' $M"},
    {"vim keeping a backup",
     "vim -u NONE -N -es -c 'set backup backupdir=. backupcopy=no' -c '%s/^Hello/changed/' -c 'wq' $M && grep -q ^Hello $M~ && rm $M~"},
    {"Emacs",
     python(edited +
            "os.rename(name, name + \"~\"); file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)\n"
            "os.write(file, text); os.fsync(file); os.close(file); os.chmod(name, 0o600)\n"
            "assert b\"Hello\" in open(name + \"~\", \"rb\").read(); os.unlink(name + \"~\")")},
    {"helix",
     python(
         edited +
         "os.rename(name, name + \"Xk3d9Q.bck\"); open(name, \"wb\").write(text); os.unlink(name + \"Xk3d9Q.bck\")")},
    {"IntelliJ",
     python(edited + "open(name + \"___jb_tmp___\", \"wb\").write(text); os.rename(name, name + \"___jb_old___\")\n"
                     "os.rename(name + \"___jb_tmp___\", name); os.unlink(name + \"___jb_old___\")")},
    {"dos2unix", "sed -i 's/^Hello/changed/' $M && dos2unix -q $M && unix2dos -q $M"},
    {"tempfile",
     python(edited + "import tempfile; file = tempfile.NamedTemporaryFile(dir=os.path.dirname(name), delete=False)\n"
                     "file.write(text); file.close(); os.replace(file.name, name)")},
    {"under a name like any other",
     python(edited + "other = os.path.dirname(name) + \"/next.eml\"; open(other, \"wb\").write(text)\n"
                     "os.replace(other, name)")},
    {"rsync with a backup",
     "sed 's/^Hello/changed/' $M > $F/text && rsync -I --backup $F/text $M && grep -q ^Hello $M~ && rm $M~"},
    {"sed with a backup", "sed -i.bak 's/^Hello/changed/' $M && grep -q ^Hello $M.bak && rm $M.bak"},
    {"perl with a backup", "perl -i.bak -pe 's/^Hello/changed/' $M && grep -q ^Hello $M.bak && rm $M.bak"},
    {"removed and made again", "sed 's/^Hello/changed/' $M > $F/text && rm $M && cp $F/text $M"},
};

class ChangedMessages : public WritingTest {
 protected:
  void fill() override {
    for (std::size_t number = 0; number < std::size(editors); ++number)
      put("INBOX", subject(number), "\\Flagged \\Answered $Label");
    put("INBOX", "untouched");
  }
  static std::string subject(std::size_t number) { return "draft-" + std::string(1, static_cast<char>('a' + number)); }
  /// The path of the message with this subject, for scripts.
  std::string path_of(const std::string& subject) { return "INBOX/" + name_with("INBOX", subject); }
};

TEST_F(ChangedMessages, KeepNameFlagsAndDateWhateverEditorWritesThem) {
  const std::vector<std::string> flags{"$Label", "\\Answered", "\\Flagged"};
  for (std::size_t number = 0; number < std::size(editors); ++number) {
    SCOPED_TRACE(editors[number].name);
    const auto path = path_of(subject(number));
    sh("M=" + shell_quote(path) + "; " + editors[number].script);
    sync();
    EXPECT_EQ(path_of(subject(number)), path) << "the name stays, and nothing else has come";
    std::vector<ServerMessage> living;
    for (const auto& message : other().living("INBOX"))
      if (message.body.find("Subject: " + subject(number) + "\r\n") != std::string::npos) living.push_back(message);
    ASSERT_EQ(living.size(), 1u) << "the old one is gone";
    EXPECT_NE(living[0].body.find("changed"), std::string::npos) << living[0].body;
    EXPECT_EQ(living[0].flags, flags);
    EXPECT_EQ(living[0].internal_date, put_date);
    EXPECT_EQ(read_file(mount().path(path)), living[0].body);
  }
  EXPECT_EQ(other().messages("INBOX").back().body.find("untouched"), std::string::npos);
  EXPECT_EQ(count("INBOX", "untouched"), 1u);
}

TEST_F(ChangedMessages, AreAppendedOncePerChange) {
  const auto before = other().ever("INBOX");
  sh("sed -i 's/^Hello/changed/' " + path_of("draft-a"));
  EXPECT_EQ(other().ever("INBOX") - before, 1u);
}

TEST_F(ChangedMessages, KeepTheirNamesOverARemount) {
  const auto path = path_of("draft-a");
  sh("echo changed >> " + path);
  remount();
  EXPECT_EQ(path_of("draft-a"), path);
  EXPECT_NE(read_file(mount().path(path)).find("changed"), std::string::npos);
}

TEST_F(ChangedMessages, ThatWereOpenedForWritingAndNotWrittenToStayAsTheyAre) {
  const auto before = other().ever("INBOX");
  sh("exec 3<> " + path_of("draft-a") + "; exec 3>&-; : >> " + path_of("draft-b"));
  sync();
  EXPECT_EQ(other().ever("INBOX"), before);
  EXPECT_EQ(bodies("INBOX").size(), before);
}

TEST_F(ChangedMessages, TruncatedToNothingAndClosedAreNotLost) {
  sh(": > " + path_of("draft-a"));
  sync();
  EXPECT_EQ(count("INBOX", "draft-a"), 1u) << "an empty file is no message";
}

TEST_F(ChangedMessages, ThatBecomeNoMessageAreRefusedAndTheOldOneStays) {
  const auto path = path_of("draft-a");
  file("bad", "not a message\n");
  refused("cp $F/bad " + path, "Invalid argument");
  EXPECT_EQ(count("INBOX", "draft-a"), 1u);
  EXPECT_EQ(other().ever("INBOX"), std::size(editors) + 1);
}

TEST_F(ChangedMessages, AReaderWhoHasTheOldOneOpenReadsItToTheEnd) {
  const auto path = path_of("draft-a");
  const int reader = ::open(mount().path(path).c_str(), O_RDONLY);
  ASSERT_GE(reader, 0);
  sh("sed -i 's/^Hello/changed/' " + path);
  char text[4096];
  const auto length = ::read(reader, text, sizeof text);
  ::close(reader);
  ASSERT_GT(length, 0);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(length)), mail_of("draft-a"));
}

/// tail -f and less hold a message open while others write to it.
TEST_F(ChangedMessages, WrittenInPlaceAreReadAsTheyAreNowByOldAndNewReaders) {
  const auto path = path_of("draft-a");
  file("new.eml", text_of("draft-a", "Another text, and a longer one than before.\n"));
  file("short.eml", text_of("draft-a", "x\n"));
  const int reader = ::open(mount().path(path).c_str(), O_RDONLY);
  ASSERT_GE(reader, 0);
  const auto read_again = [&] {
    std::string text(65536, '\0');
    const auto length = ::pread(reader, text.data(), text.size(), 0);
    text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    return text;
  };
  EXPECT_EQ(read_again(), mail_of("draft-a"));
  for (const char* change : {"echo more >> ", "cat $F/new.eml > ", "echo again >> ", "cp $F/short.eml "}) {
    SCOPED_TRACE(change);
    sh(change + path);
    std::string now;
    for (const auto& body : bodies("INBOX"))
      if (body.find("Subject: draft-a\r\n") != std::string::npos) now = body;
    EXPECT_EQ(sh("cat " + path), now);
    EXPECT_EQ(read_again(), now);
    EXPECT_EQ(sh("stat -c %s " + path), std::to_string(now.size()) + "\n");
  }
  ::close(reader);
}

TEST_F(ChangedMessages, AreDeletedByThePolicyAfterwards) {
  sh("sed -i 's/^Hello/changed/' " + path_of("draft-a"));
  sync();
  EXPECT_EQ(mount().list("INBOX/.deleted").size(), 1u) << "the old version can be had back";
}

TEST_F(ChangedMessages, LeaveABackupThatIsAFileOfThisMachine) {
  const auto path = path_of("draft-a");
  const auto before = other().ever("INBOX");
  sh("M=" + shell_quote(path) + "; " +
     python(edited + "os.rename(name, name + \"~\"); open(name, \"wb\").write(text)"));
  sync();
  EXPECT_EQ(count("INBOX", "draft-a"), 1u) << "other clients see one message";
  EXPECT_EQ(other().ever("INBOX") - before, 1u);
  EXPECT_EQ(sh("cat " + shell_quote(path + "~")), mail_of("draft-a"));
  remount();
  EXPECT_EQ(sh("cat " + shell_quote(path + "~")), mail_of("draft-a")) << "also after a remount";
  EXPECT_NE(sh("cat " + shell_quote(path)).find("changed"), std::string::npos);
  EXPECT_EQ(sh("ls .imapfs/outbox"), "");
  sh("rm " + shell_quote(path + "~"));
  sync();
  EXPECT_EQ(count("INBOX", "draft-a"), 1u);
}

TEST_F(ChangedMessages, WhoseEditorDiesAfterItsBackupAreStillMessages) {
  const auto path = path_of("draft-a");
  sh("mv " + shell_quote(path) + " " + shell_quote(path + "~"));
  sync();
  EXPECT_EQ(count("INBOX", "draft-a"), 1u);
  mount().kill_daemon();
  mount().mount();
  EXPECT_EQ(count("INBOX", "draft-a"), 1u);
  EXPECT_EQ(sh("cat " + shell_quote(path + "~")), mail_of("draft-a"));
}

TEST_F(ChangedMessages, LeaveABackupThatIsReadWithoutBecomingAMessage) {
  const auto path = path_of("draft-a");
  for (const std::string suffix : {".bak", ".orig", ".bck", "~"}) {
    SCOPED_TRACE(suffix);
    const auto backup = shell_quote(path + suffix);
    sh("M=" + shell_quote(path) + "; mv $M " + backup + " && sed s/Bob/Rob/ " + backup + " > $M && cat " + backup +
       " " + backup + " > /dev/null");
    sync();
    EXPECT_EQ(count("INBOX", "draft-a"), 1u);
    sh("rm " + backup);
  }
}

TEST_F(ChangedMessages, LeaveABackupWithFlagsAndDateForWhoMakesAMessageOfIt) {
  const auto path = path_of("draft-a");
  sh("sed -i.bak s/Hello/changed/ " + shell_quote(path) + " && mv " + shell_quote(path + ".bak") + " INBOX/before.eml");
  sync();
  ASSERT_EQ(count("INBOX", "draft-a"), 2u);
  for (const auto& living : other().living("INBOX")) {
    if (living.body.find("Subject: draft-a\r") == std::string::npos) continue;
    EXPECT_EQ(living.flags, (std::vector<std::string>{"$Label", "\\Answered", "\\Flagged"}));
    EXPECT_EQ(living.internal_date, put_date);
  }
}

TEST_F(ChangedMessages, ThatWereMovedAwayGiveNothingToWhatTakesTheirName) {
  const auto path = path_of("draft-a");
  file("next.eml", text_of("next"));
  sh("mkdir Old; mv " + shell_quote(path) + " Old/ && cp $F/next.eml " + shell_quote(path));
  sync();
  EXPECT_TRUE(message("INBOX", "next").flags.empty()) << "another message, not an edited one";
  EXPECT_NE(message("INBOX", "next").internal_date, put_date);
}

TEST_F(ChangedMessages, ByOneThatHasFlagsOfItsOwnGetThose) {
  const auto path = path_of("draft-a");
  file("next.eml", text_of("next"));
  sh("cp $F/next.eml INBOX/next && setfattr -n user.imap.flags -v '+\\Draft +own' INBOX/next && mv INBOX/next " +
     shell_quote(path));
  sync();
  EXPECT_EQ(message("INBOX", "next").flags, (std::vector<std::string>{"\\Draft", "own"}));
}

/// Changed messages whose new versions are still on their way to the server.
class UploadingMessages : public WritingTest {
 protected:
  void fill() override { put("INBOX", "page", "\\Flagged"); }
  /// Appends to the message on a server that says nothing, begins `meanwhile`, and lets the server go on.
  void append_and(const std::string& meanwhile) {
    const auto path = "INBOX/" + mount().list("INBOX").at(0);
    sh("mkdir -p Old; cat " + shell_quote(path) + " > /dev/null; sync .");
    dovecot().freeze();
    const auto in_mount = "cd " + shell_quote(mount().path()) + "; P=" + shell_quote(path) + "; ";
    BackgroundCommand writer(in_mount + "echo more >> \"$P\"");
    EXPECT_TRUE(eventually([&] { return mount().status().at("staged").at("uploading") == 1; }));
    EXPECT_EQ("INBOX/" + mount().list("INBOX").at(0), path) << "who makes a backup now must not miss it";
    BackgroundCommand user(in_mount + meanwhile);
    EXPECT_TRUE(
        eventually([&] { return mount().run("ls /proc/" + std::to_string(user.pid()) + "/task").status == 0; }));
    dovecot().thaw();
    EXPECT_EQ(writer.wait(), 0);
    EXPECT_EQ(user.wait(), 0) << user.output();
    sync();
  }
  const std::string whole = mail_of("page", "Hello.\nmore\n");
};

TEST_F(UploadingMessages, GetTheFlagsThatAreGivenToThemMeanwhile) {
  append_and("setfattr -n user.imap.flags -v '+mine' \"$P\"");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{whole});
  EXPECT_EQ(other().living("INBOX").at(0).flags, (std::vector<std::string>{"\\Flagged", "mine"}));
}

TEST_F(UploadingMessages, GoWhereTheyAreMovedMeanwhile) {
  append_and("mv \"$P\" Old/page");
  EXPECT_EQ(bodies("Old"), std::vector<std::string>{whole});
  EXPECT_TRUE(bodies("INBOX").empty());
  EXPECT_EQ(sh("cat Old/page"), whole);
}

TEST_F(UploadingMessages, AreRemovedMeanwhileAsTheyWillBe) {
  append_and("rm \"$P\"");
  EXPECT_TRUE(bodies("INBOX").empty());
  EXPECT_EQ(sh("ls INBOX"), "");
}

TEST_F(UploadingMessages, MakeWayForWhatIsRenamedOntoThemMeanwhile) {
  file("other.eml", text_of("other"));
  sh("cp $F/other.eml Old/other.eml || { mkdir Old; cp $F/other.eml Old/other.eml; }");
  append_and("mv Old/other.eml \"$P\"");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("other")});
}

class ChangedOverQuota : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--quota=100k"}; }
  void fill() override { put("INBOX", "precious", "\\Flagged"); }
};

TEST_F(ChangedOverQuota, TheOldOneStays) {
  const auto path = "INBOX/" + name_with("INBOX", "precious");
  file("large", text_of("precious", std::string(200'000, 'x') + "\n"));
  refused("cp $F/large " + path, "Disk quota exceeded");
  // It is there when the tool's file is closed, which the kernel says a moment after the tool was answered.
  EXPECT_TRUE(eventually([&] { return script("rm .imapfs/outbox/*").status == 0; }));
  sync();
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("precious")});
  remount();
  EXPECT_EQ(sh("cat " + path), mail_of("precious"));
}

class ChangedOnTheWire : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--no-tls"}; }
  void fill() override { put("INBOX", "draft"); }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    return {{"-o", "insecure"}, "imap://anna@127.0.0.1:" + std::to_string(proxy_->port()), "", ""};
  }
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(ChangedOnTheWire, TheNewOneIsAppendedBeforeTheOldOneIsRemoved) {
  const auto path = "INBOX/" + name_with("INBOX", "draft");
  proxy_->record(true);
  sh("echo changed >> " + path);
  sync();
  const auto sent = proxy_->recorded(FaultProxy::Direction::from_client);
  const auto append = sent.find(" APPEND ");
  const auto removed = sent.find(" UID STORE ");
  ASSERT_NE(append, std::string::npos) << sent;
  ASSERT_NE(removed, std::string::npos) << sent;
  EXPECT_LT(append, removed);
  EXPECT_EQ(sent.find(" APPEND ", append + 1), std::string::npos) << "once";
  EXPECT_EQ(sent.find("EXPUNGE"), std::string::npos) << sent;
}

}  // namespace
}  // namespace imapfs::testing
