// New messages: whatever tool writes a file, the server gets one message, and the tool hears what the server said.
#include <algorithm>

#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

constexpr std::int64_t file_date = 1588587630;  // 2020-05-04 10:20:30 UTC

/// A tool that makes INBOX/<name>.eml of $F/new.eml.
struct WritingTool {
  const char* name;
  const char* script;
  bool keeps_date = false;  ///< it sets the file's time
  std::uint32_t appends =
      1;  ///< 2: it sets the time after it has closed the file, which the server can only be told by another APPEND
};

constexpr WritingTool writing_tools[] = {
    {"cp", "cp $F/new.eml INBOX/cp.eml"},
    {"cp-p", "cp -p $F/new.eml INBOX/cp-p.eml", true},
    {"install", "install -m 600 $F/new.eml INBOX/install.eml"},
    {"cat", "cat $F/new.eml > INBOX/cat.eml"},
    {"tee", "tee INBOX/tee.eml < $F/new.eml > /dev/null"},
    {"dd", "dd if=$F/new.eml of=INBOX/dd.eml bs=7 status=none"},
    {"mv", "cp -p $F/new.eml $F/mv && mv $F/mv INBOX/mv.eml && ! [ -e $F/mv ]", true},
    {"tar", "cp -p $F/new.eml $F/tar.eml && tar cf - -C $F tar.eml | tar xf - -C INBOX", true},
    {"rsync", "cp -p $F/new.eml $F/rsync.eml && rsync -a $F/rsync.eml INBOX/", true},
    {"temporary", "cp -p $F/new.eml INBOX/.tmp-4711 && mv INBOX/.tmp-4711 INBOX/temporary.eml", true},
    {"tilde", "cat $F/new.eml > INBOX/tilde.eml~ && mv INBOX/tilde.eml~ INBOX/tilde.eml"},
    {"child",
     "(IFS=; while read -r line; do printf '%s\\n' \"$line\"; /bin/true; done < $F/new.eml; /bin/printf '') > INBOX/child.eml"},
    {"halves", "(head -n 2 $F/new.eml; tail -n +3 $F/new.eml) > INBOX/halves.eml"},
    {"copyfile", "python3 -c 'import shutil, sys; shutil.copyfile(sys.argv[1], \"INBOX/copyfile.eml\")' $F/new.eml"},
    {"copy", "python3 -c 'import shutil, sys; shutil.copy(sys.argv[1], \"INBOX/copy.eml\")' $F/new.eml"},
    {"copy2", "python3 -c 'import shutil, sys; shutil.copy2(sys.argv[1], \"INBOX/copy2.eml\")' $F/new.eml", true, 2},
    {"move",
     "cp -p $F/new.eml $F/moved && python3 -c 'import shutil, sys; shutil.move(sys.argv[1], \"INBOX/move.eml\")' $F/moved",
     true, 2},
    {"replace",
     "python3 -c 'import os, sys; f = open(\"INBOX/.r\", \"w\"); f.write(open(sys.argv[1]).read()); f.flush(); os.fsync(f.fileno()); f.close();"
     " os.replace(\"INBOX/.r\", \"INBOX/replace.eml\")' $F/new.eml"},
    {"ed", "printf 'r %s\\nw INBOX/ed.eml\\nq\\n' $F/new.eml | ed -s"},
    {"vim", "vim -u NONE -N -n -es -c 'w INBOX/vim.eml' -c 'q!' $F/new.eml"},
    {"backwards",
     "python3 -c 'import os, sys; d = open(sys.argv[1], \"rb\").read(); f = os.open(\"INBOX/backwards.eml\", os.O_CREAT | os.O_WRONLY)\n"
     "for i in reversed(range(0, len(d), 10)): os.pwrite(f, d[i:i+10], i)' $F/new.eml"},
};

class NewMessages : public WritingTest {
 protected:
  void SetUp() override {
    WritingTest::SetUp();
    if (IsSkipped()) return;
    file("new.eml", text_of("new", "First line.\n\nLast line.\n"));
    ASSERT_EQ(shell("TZ=UTC touch -d '2020-05-04 10:20:30' " + file_path("new.eml")).status, 0);
  }
  /// What every tool's message must be by now.
  void expect_made(const WritingTool& tool) {
    const std::string name = std::string(tool.name) + ".eml";
    EXPECT_TRUE(lists("INBOX", name));
    EXPECT_EQ(read_file(mount().path("INBOX/" + name)), mail_of("new", "First line.\n\nLast line.\n"));
    if (tool.keeps_date) {
      EXPECT_EQ(sh("stat -c %Y INBOX/" + name), std::to_string(file_date) + "\n");
    }
  }
};

TEST_F(NewMessages, AreAppendedOnceByEveryToolAndKeepTheirNames) {
  std::uint32_t appended = 0;
  for (const auto& tool : writing_tools) {
    SCOPED_TRACE(tool.name);
    sh(tool.script);
    sync();
    EXPECT_EQ(other().ever("INBOX") - appended, tool.appends);
    appended = other().ever("INBOX");
    const auto messages = other().living("INBOX");
    ASSERT_FALSE(messages.empty());
    EXPECT_EQ(messages.back().body, mail_of("new", "First line.\n\nLast line.\n"));
    if (tool.keeps_date) {
      EXPECT_EQ(messages.back().internal_date, file_date);
    }
    expect_made(tool);
  }
  EXPECT_EQ(other().messages("INBOX", false).size(), std::size(writing_tools)) << "nothing is left over";
  EXPECT_EQ(mount().list("INBOX").size(), std::size(writing_tools));
  remount();
  for (const auto& tool : writing_tools) {
    SCOPED_TRACE(std::string(tool.name) + " after a remount");
    expect_made(tool);
  }
}

TEST_F(NewMessages, AreOnTheServerWhenTheToolEnds) {
  sh("cp $F/new.eml INBOX/");
  EXPECT_EQ(bodies("INBOX").size(), 1u) << "without waiting for anything";
}

TEST_F(NewMessages, HaveTheSizeAndOctetsThatTheServerHas) {
  sh("cp $F/new.eml INBOX/");
  EXPECT_EQ(sh("stat -c %s INBOX/new.eml"), std::to_string(bodies("INBOX").at(0).size()) + "\n");
  EXPECT_EQ(sh("cat INBOX/new.eml"), bodies("INBOX").at(0));
}

TEST_F(NewMessages, ThatHaveCrlfAreStoredAsTheyAre) {
  const std::string mail = mail_of("crlf", "One.\n.\n..\n");
  file("crlf.eml", mail);
  sh("cp $F/crlf.eml INBOX/");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail});
}

TEST_F(NewMessages, WithMixedLineEndsGetCrlfThroughout) {
  file("mixed.eml", text_of("mixed", "One.\r\nTwo.\nThree without an end"));
  sh("cp $F/mixed.eml INBOX/");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{mail_of("mixed", "One.\nTwo.\nThree without an end")});
}

TEST_F(NewMessages, OfASecondRsyncAreNotTransferredAgain) {
  shell("mkdir -p " + file_path("box"));
  for (int number = 1; number <= 5; ++number)
    file("box/" + std::to_string(number) + ".eml", mail_of("box" + std::to_string(number)));
  shell("chmod 700 " + file_path("box"));
  sh("rsync -a $F/box/ INBOX/");
  EXPECT_EQ(other().ever("INBOX"), 5u);
  EXPECT_EQ(sh("rsync -aO --itemize-changes $F/box/ INBOX/"), "");
  remount();
  EXPECT_EQ(sh("rsync -aO --itemize-changes $F/box/ INBOX/"), "");
  EXPECT_EQ(other().ever("INBOX"), 5u);
}

TEST_F(NewMessages, AreNeverUploadedUnderATemporaryName) {
  sh("cp $F/new.eml INBOX/.new.eml.Xy12ab; cp $F/new.eml INBOX/new.eml~; cp $F/new.eml INBOX/.new.eml.swp");
  EXPECT_EQ(other().ever("INBOX"), 0u);
  EXPECT_TRUE(eventually([&] { return mount().status().at("staged").at("temporary") == 3; })) << mount().status();
  sh("rm INBOX/.new.eml.Xy12ab INBOX/new.eml~ INBOX/.new.eml.swp");
  sync();
  EXPECT_EQ(other().ever("INBOX"), 0u);
  EXPECT_EQ(sh("ls .imapfs/outbox | wc -l"), "0\n");
}

TEST_F(NewMessages, WhoseNamesOnlyLookTemporaryAreUploaded) {
  const std::vector<std::string> names{
      "mail.1732635123", "mail.202411", "msg.000001", "Rechnung.2024Q1", "1732635123.M1P2.mail01",
      "tmp_report.eml",  "draft.lock",  "4913",       "Re.ABCDEF",       "#1 offer#"};
  for (const auto& name : names) sh("cp $F/new.eml $F/source && mv $F/source INBOX/" + shell_quote(name));
  EXPECT_EQ(other().ever("INBOX"), names.size()) << "when the tool ends";
  remount();
  for (const auto& name : names) EXPECT_TRUE(lists("INBOX", name)) << name;
}

TEST_F(NewMessages, ThatWaitUnderATemporaryNameAreUploadedBeforeSyncAndUnmountEnd) {
  sh("cp $F/new.eml INBOX/letter.part");
  sync();
  EXPECT_EQ(other().ever("INBOX"), 1u);
  EXPECT_EQ(mount().status().at("staged").at("temporary"), 0);
  sh("cp $F/new.eml INBOX/second.tmp");
  remount();
  EXPECT_EQ(other().ever("INBOX"), 2u);
  EXPECT_TRUE(lists("INBOX", "letter.part"));
  EXPECT_TRUE(lists("INBOX", "second.tmp"));
  EXPECT_EQ(sh("ls .imapfs/outbox"), "");
}

TEST_F(NewMessages, ThatAreInTheOutboxAreToldBySyncAndStatus) {
  file("bad.eml", "not a message\n");
  refused("cp $F/bad.eml INBOX/", "Invalid argument");
  refused("sync .", "Input/output error");
  refused("sync INBOX", "Input/output error");
  EXPECT_GE(log_lines({"outbox", "bad.eml"}), 1u) << mount().log();
  EXPECT_EQ(mount().status().at("staged").at("outbox"), 1);
  remount();
  refused("sync .", "Input/output error");
  sh("rm .imapfs/outbox/*");
  sync();
}

TEST_F(NewMessages, AreNotMadeOfEmptyFiles) {
  sh("touch INBOX/empty.eml && : > INBOX/empty2.eml && cat $F/new.eml > INBOX/empty.eml");
  EXPECT_EQ(other().ever("INBOX"), 1u);
  EXPECT_EQ(bodies("INBOX").size(), 1u);
  sh("rm INBOX/empty2.eml");
  EXPECT_EQ(mount().list("INBOX"), std::vector<std::string>{"empty.eml"});
}

TEST_F(NewMessages, SurviveTheDaemonBetweenFlushAndReply) {
  sh("cp $F/new.eml INBOX/one.eml");
  mount().kill_daemon();
  mount().mount();
  EXPECT_EQ(count("INBOX", "new"), 1u);
  EXPECT_TRUE(lists("INBOX", "one.eml"));
}

TEST_F(NewMessages, ThatWereNotClosedWhenTheDaemonDiedAreInTheOutbox) {
  BackgroundCommand writer("exec 3> " + mount().path("INBOX/half.eml") + "; cat " + file_path("new.eml") +
                           " >&3; echo written; exec sleep 100");
  ASSERT_TRUE(writer.wait_for_line("written"));
  mount().kill_daemon();
  mount().mount();
  EXPECT_TRUE(eventually(
      [&] { return mount().run("ls .imapfs/outbox | grep -q half.eml").status == 0 || count("INBOX", "new") == 1; }));
}

class AppendFlags : public NewMessages {
 protected:
  Mounted::Settings mount_settings() override { return {{"--append-flags=\\Seen+$Filed"}, "", "", ""}; }
};

TEST_F(AppendFlags, AreGivenToNewMail) {
  sh("cp $F/new.eml INBOX/; cat $F/new.eml > INBOX/second.eml");
  const std::vector<std::string> expected{"$Filed", "\\Seen"};
  for (const auto& message : other().messages("INBOX")) EXPECT_EQ(message.flags, expected);
  EXPECT_EQ(other().ever("INBOX"), 2u);
}

/// What is refused before the server sees it: the tool's exit status, the reason, one line of log, nothing on the
/// server.
struct Refused {
  const char* name;
  const char* make;  ///< makes $F/bad.eml
  const char* says;
};

constexpr Refused refused_files[] = {
    {"no message", "printf 'just some text\\nwithout a header\\n' > $F/bad.eml", "Invalid argument"},
    {"an image", "printf '\\x89PNG\\r\\n\\x1a\\n0000' > $F/bad.eml", "Invalid argument"},
    {"NUL", "{ cat $F/new.eml; printf 'a\\0b\\n'; } > $F/bad.eml", "Invalid argument"},
};

TEST_F(NewMessages, ThatAreNoneAreRefusedWithAReason) {
  for (const auto& row : refused_files) {
    SCOPED_TRACE(row.name);
    sh(row.make);
    const auto lines = log_lines({"warning", "bad.eml"});
    refused("cp $F/bad.eml INBOX/bad.eml", row.says);
    EXPECT_EQ(other().ever("INBOX"), 0u);
    EXPECT_EQ(log_lines({"warning", "bad.eml"}) - lines, 1u) << mount().log();
    EXPECT_FALSE(lists("INBOX", "bad.eml"));
    EXPECT_EQ(sh("ls .imapfs/outbox | grep -c bad.eml"), "1\n") << "it can be had back";
    sh("rm .imapfs/outbox/*");
  }
}

TEST_F(NewMessages, MayUseAnyHeaderAndEightBitText) {
  file("odd.eml", "Subject: odd\n\n\xff\xfe \xc3\xa4\n");
  sh("cp $F/odd.eml INBOX/");
  EXPECT_EQ(bodies("INBOX"), std::vector<std::string>{"Subject: odd\r\n\r\n\xff\xfe \xc3\xa4\r\n"});
}

TEST_F(NewMessages, MvKeepsItsSourceWhenTheServerRefuses) {
  file("bad.eml", "not a message\n");
  refused("mv $F/bad.eml INBOX/", "Invalid argument");
  EXPECT_EQ(read_file(file_path("bad.eml")), "not a message\n");
}

class OverQuota : public NewMessages {
 protected:
  std::vector<std::string> server_options() override { return {"--quota=100k"}; }
};

TEST_F(OverQuota, NewMessagesAreRefusedWithEDQUOT) {
  file("large.eml", text_of("large", std::string(200'000, 'x') + "\n"));
  refused("cp $F/large.eml INBOX/", "Disk quota exceeded");
  refused("cat $F/large.eml > INBOX/cat.eml", "Disk quota exceeded");
  EXPECT_EQ(other().ever("INBOX"), 0u);
  EXPECT_GE(log_lines({"large.eml"}), 1u);
  sh("cp $F/new.eml INBOX/");
  EXPECT_EQ(count("INBOX", "new"), 1u) << "what fits is taken";
}

class StagingSize : public NewMessages {
 protected:
  Mounted::Settings mount_settings() override { return {{"--staging-size=1M"}, "", "", ""}; }
};

TEST_F(StagingSize, BeyondItNothingIsStaged) {
  file("large.eml", text_of("large", std::string(3'000'000, 'x') + "\n"));
  refused("cp $F/large.eml INBOX/", "No space left on device");
  EXPECT_EQ(other().ever("INBOX"), 0u);
  sh("rm -f INBOX/large.eml; rm -f .imapfs/outbox/*; cp $F/new.eml INBOX/");
  EXPECT_EQ(count("INBOX", "new"), 1u) << "and there is room again";
}

class LargeNewMessage : public NewMessages {};

#if defined(__SANITIZE_ADDRESS__)
constexpr bool memory_is_given_back = false;  // AddressSanitizer keeps what is freed for a while
#else
constexpr bool memory_is_given_back = true;
#endif

TEST_F(LargeNewMessage, OfAHundredMegabytesIsAppendedInConstantMemory) {
  sh("python3 -c 'import sys; f = open(sys.argv[1], \"w\"); f.write(\"Subject: large\\n\\n\")\n"
     "for i in range(1500000): f.write(\"%08d \" % i + \"x\" * 61 + \"\\n\")' $F/large.eml",
     120);
  const std::string memory = "grep VmHWM /proc/" + std::to_string(mount().daemon_pid()) + "/status | tr -dc 0-9";
  const auto before = std::stol(shell(memory).output);
  sh("cp $F/large.eml INBOX/", 120);
  const auto after = std::stol(shell(memory).output);
  if (memory_is_given_back) {
    EXPECT_LT(after - before, 20'000) << "kB";
  }
  EXPECT_EQ(other().ever("INBOX"), 1u);
  EXPECT_EQ(sh("tr -d '\\r' < INBOX/large.eml | cmp - $F/large.eml", 120), "");
  EXPECT_EQ(dovecot().doveadm("fetch -u anna size.virtual mailbox INBOX all | head -n 1"), "size.virtual: 108000018\n");
}

}  // namespace
}  // namespace imapfs::testing
