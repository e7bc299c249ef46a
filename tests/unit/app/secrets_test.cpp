#include "app/secrets.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "support/temporary_directory.hpp"

namespace imapfs::app {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

/// A home of its own for each test, and an environment without other sources.
class Passwords : public ::testing::Test {
 protected:
  Passwords() {
    ::setenv("HOME", home_.c_str(), 1);
    ::unsetenv("CREDENTIALS_DIRECTORY");
    options_.user = "anna";
    options_.endpoint = {"mail.example.org", 993};
  }

  std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const std::string path = home_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }

  Result<std::string> password(const CallContext& context = CallContext::within(seconds(30))) {
    auto source = choose_password_source(options_, context);
    if (!source) return fail(std::move(source).error());
    return (*source)->get(context);
  }

  const imapfs::testing::TemporaryDirectory directory_;
  const std::string home_ = directory_.path();
  Options options_;
};

TEST_F(Passwords, AFileGivesItsFirstLine) {
  for (const auto& [content, expected] :
       {std::pair{"secret\n", "secret"}, {"secret", "secret"}, {"secret\r\nmore", "secret"}, {" a b \n", " a b "}}) {
    options_.password_file = file("p", content);
    EXPECT_EQ(password().value_or("(refused)"), expected);
  }
}

TEST_F(Passwords, AFileIsReadAgainAtEachLogin) {
  options_.password_file = file("p", "old\n");
  auto source = choose_password_source(options_, {});
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->get({}).value(), "old");
  file("p", "new\n");
  EXPECT_EQ((*source)->get({}).value(), "new");
  EXPECT_EQ((*source)->description(), "password file " + home_ + "/p");
}

TEST_F(Passwords, AnUnusableFileIsRefusedAtOnceWithItsPath) {
  const std::pair<std::string, const char*> cases[] = {{home_ + "/missing", "No such file"},
                                                       {home_, "directory"},
                                                       {file("empty", ""), "gave no password"},
                                                       {file("newline", "\nx"), "gave no password"},
                                                       {file("long", std::string(100'000, 'x')), "more than"},
                                                       {file("nul", std::string("a\0b", 3)), "NUL"}};
  for (const auto& [path, reason] : cases) {
    options_.password_file = path;
    auto source = choose_password_source(options_, {});
    ASSERT_FALSE(source) << path;
    EXPECT_EQ(source.error().errnum, EACCES);
    EXPECT_NE(source.error().what.find(reason), std::string::npos) << source.error().what;
    EXPECT_NE(source.error().what.find(path), std::string::npos) << source.error().what;
  }
}

TEST_F(Passwords, AFileThatMayNotBeReadIsRefused) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  options_.password_file = file("p", "secret", 0000);
  EXPECT_FALSE(password());
}

TEST_F(Passwords, AFileThatOthersCanReadIsTakenWithAWarning) {
  options_.password_file = file("p", "secret\n", 0644);
  EXPECT_EQ(password().value(), "secret");
  bool warned = false;
  for (const auto& [time, line] : telemetry::recent_errors())
    warned = warned || line.find(home_ + "/p") != std::string::npos;
  EXPECT_TRUE(warned);
}

TEST_F(Passwords, StandardInputGivesOneLineOnce) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "typed\nrest", 10), 10);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  options_.password_file = "-";
  auto source = choose_password_source(options_, CallContext::within(seconds(30)));
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ::close(ends[1]);
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->get({}).value(), "typed");
  EXPECT_EQ((*source)->get({}).value(), "typed");
  char rest[8] = {};
  EXPECT_EQ(::read(ends[0], rest, sizeof rest), 4) << "the rest belongs to others";
  ::close(ends[0]);
}

TEST_F(Passwords, ACommandGivesTheFirstLineItPrintsAtEachLogin) {
  options_.password_command = "echo x >> \"$HOME/runs\"; wc -l < \"$HOME/runs\"; echo more";
  auto source = choose_password_source(options_, {});
  ASSERT_TRUE(source);
  const auto context = CallContext::within(seconds(30));
  EXPECT_EQ((*source)->get(context).value(), "1");
  EXPECT_EQ((*source)->get(context).value(), "2");
}

TEST_F(Passwords, ACommandThatFailsIsRefusedWithItsStatusAndWithoutItsOutput) {
  options_.password_command = "echo s3cret; exit 3";
  auto refused = password();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  EXPECT_EQ(refused.error().what, "the password command failed with status 3");
  options_.password_command = "kill -TERM $$";
  EXPECT_NE(password().error().what.find("signal 15"), std::string::npos);
  options_.password_command = "true";
  EXPECT_NE(password().error().what.find("gave no password"), std::string::npos);
  options_.password_command = "/nonexistent/program 2>/dev/null";
  EXPECT_NE(password().error().what.find("status 127"), std::string::npos);
}

TEST_F(Passwords, ACommandCannotFillTheMemory) {
  options_.password_command = "exec yes";
  auto refused = password();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("more than"), std::string::npos) << refused.error().what;
}

TEST_F(Passwords, ACommandEndsWithItsChildrenAtTheDeadline) {
  options_.password_command = "sleep 1000 & echo $! > \"$HOME/child\"; sleep 1000";
  auto refused = password(CallContext::within(std::chrono::milliseconds(300)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, ETIMEDOUT);
  pid_t child = 0;
  std::ifstream(home_ + "/child") >> child;
  if (child == 0) GTEST_SKIP() << "the shell did not get that far";
  // Gone, or a zombie until init has reaped it; the signal takes a moment to end it.
  const auto ended = [child] {
    std::ifstream status(fmt::format("/proc/{}/status", child));
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("State:")) return line.find_first_of("ZX") != std::string::npos;
    return true;
  };
  const auto deadline = SteadyClock::now() + seconds(10);
  while (!ended() && SteadyClock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(ended());
}

TEST_F(Passwords, ACommandIsNotWaitedForLongerThanItRunsWhenAChildKeepsItsOutputOpen) {
  options_.password_command = "sleep 1000 & echo s3cret";
  EXPECT_EQ(password(CallContext::within(seconds(30))).value(), "s3cret");
}

TEST_F(Passwords, ACommandWhoseEndCannotBeSeenIsAnErrorAtOnce) {
  options_.password_command = "echo s3cret";
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  auto refused = password(CallContext::within(seconds(30)));
  ::signal(SIGCHLD, before);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, ECHILD) << refused.error().what;
}

TEST_F(Passwords, ACommandEndsWhenItIsCancelled) {
  options_.password_command = "sleep 1000";
  std::stop_source stop;
  stop.request_stop();
  auto refused = password(CallContext::within(seconds(30), stop.get_token()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EINTR);
}

TEST_F(Passwords, ACommandHasNoInputAndDefaultSignals) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  options_.password_command = "if read line; then echo input; else grep SigBlk /proc/self/status; fi";
  const auto got = password();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, "SigBlk:\t0000000000000000");
}

TEST_F(Passwords, ASystemdCredentialIsFoundByAccountThenByItsGeneralName) {
  fs::create_directory(home_ + "/credentials");
  ::setenv("CREDENTIALS_DIRECTORY", (home_ + "/credentials").c_str(), 1);
  file("credentials/imapfs.password", "general\n");
  EXPECT_EQ(password().value(), "general");
  file("credentials/imapfs.anna@mail.example.org", "own\n");
  EXPECT_EQ(password().value(), "own");
  options_.password_file = file("p", "explicit\n");
  EXPECT_EQ(password().value(), "explicit");
}

TEST_F(Passwords, NetrcIsReadAsOthersReadIt) {
  options_.netrc = file("n", R"(# machine mail.example.org login anna password commented
machine other.example.org login anna password other
machine mail.example.org
  login bert
  password berts
macdef init
machine mail.example.org login anna password macro

machine MAIL.example.org login "anna" account x password "two words \"quoted\" \\ #"
default login anna password fallback
)");
  EXPECT_EQ(password().value(), "two words \"quoted\" \\ #");
  options_.user = "bert";
  EXPECT_EQ(password().value(), "berts");
  options_.user = "anna";
  options_.endpoint.host = "unknown.example.org";
  EXPECT_EQ(password().value(), "fallback");
  options_.user = "carl";
  auto none = password();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().errnum, EACCES);
  EXPECT_NE(none.error().what.find("no password for carl"), std::string::npos) << none.error().what;
}

TEST_F(Passwords, OddNetrcFilesDoNoHarm) {
  for (const std::string& content :
       {std::string(""), std::string("machine"), std::string("machine mail.example.org login"),
        std::string("password x"), std::string("machine mail.example.org password \"open"), std::string("macdef x"),
        std::string("machine \0 password", 19)}) {
    options_.netrc = file("n", content);
    const auto got = password();
    EXPECT_TRUE(!got || *got == "open");
  }
}

TEST_F(Passwords, NetrcThatOthersCanReadIsRefused) {
  file(".netrc", "machine mail.example.org login anna password secret\n", 0644);
  auto refused = password();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().errnum, EACCES);
  EXPECT_NE(refused.error().what.find("chmod 600"), std::string::npos);
}

TEST_F(Passwords, TheNetrcInTheHomeDirectoryIsUsedWhereItKnowsTheAccount) {
  file(".netrc", "machine mail.example.org password secret\n");
  EXPECT_EQ(password().value(), "secret");
}

/// Runs `work` in a child whose controlling terminal is a new one, feeds it `input` once it has asked, and returns what
/// the terminal showed.
struct TerminalRun {
  std::string shown;
  int status = -1;
};
TerminalRun on_terminal(const std::function<int()>& work, const std::string& input) {
  TerminalRun run;
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(work());
  char buffer[512];
  bool answered = false;
  for (ssize_t got = 0; (got = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    run.shown.append(buffer, static_cast<std::size_t>(got));
    if (!answered && run.shown.find("Password for") != std::string::npos) {
      answered = true;
      if (::write(terminal, input.data(), input.size()) < 0) break;
    }
  }
  ::waitpid(child, &run.status, 0);
  ::close(terminal);
  return run;
}

TEST_F(Passwords, TheTerminalIsAskedWithoutEcho) {
  const auto run = on_terminal(
      [&] {
        auto got = password();
        termios settings{};
        ::tcgetattr(STDIN_FILENO, &settings);
        return got && *got == "s3cret" && (settings.c_lflag & ECHO) != 0 ? 0 : 1;
      },
      "s3cret\n");
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.shown.find("Password for anna at mail.example.org: "), std::string::npos) << run.shown;
  EXPECT_EQ(run.shown.find("s3cret"), std::string::npos);
}

TEST_F(Passwords, ControlCAtThePromptEndsTheProgramWithTheTerminalAsItWas) {
  const auto run = on_terminal(
      [&] {
        ::signal(SIGINT, [](int) {
          termios settings{};
          ::tcgetattr(STDIN_FILENO, &settings);
          ::_exit((settings.c_lflag & ECHO) != 0 ? 7 : 8);
        });
        (void)password();
        return 9;
      },
      "half\x03");
  ASSERT_TRUE(WIFEXITED(run.status));
  EXPECT_EQ(WEXITSTATUS(run.status), 7);
}

TEST_F(Passwords, WithoutATerminalTheUserIsToldWhereAPasswordCanComeFrom) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    auto refused = password();
    ::_exit(!refused && refused.error().errnum == EACCES &&
                    refused.error().what.find("password-command") != std::string::npos
                ? 0
                : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace imapfs::app
