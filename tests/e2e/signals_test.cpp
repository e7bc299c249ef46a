// Signals that come while a program waits for the mount: one that it handles breaks nothing, one that kills it ends it
// at once.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>

#include "support/parameter_names.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using Clock = std::chrono::steady_clock;

void do_nothing(int) {}

void handle(int signal, int flags) {
  struct sigaction action {};
  action.sa_handler = do_nothing;
  action.sa_flags = flags;
  ::sigaction(signal, &action, nullptr);
}

/// A process of this program's that makes system calls on the mount; killed when the object goes.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  /// Its wait status; nothing after `seconds`.
  std::optional<int> wait(int seconds = patient_seconds) {
    int status = 0;
    if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, seconds)) return std::nullopt;
    pid_ = -1;
    return status;
  }
  /// The letter of proc(5): S while any signal wakes it, D once only a deadly one does.
  [[nodiscard]] char state() const {
    const auto stat = read_file("/proc/" + std::to_string(pid_) + "/stat");
    const auto name_end = stat.rfind(')');
    return name_end == std::string::npos ? '?' : stat.at(name_end + 2);
  }

 private:
  pid_t pid_;
};

class Signals : public WritingTest {
 protected:
  Mounted::Settings mount_settings() override { return {{"--timeout=20"}, "", "", ""}; }
  void fill() override {
    for (int number = 0; number < 20; ++number)
      dovecot().deliver("INBOX", sample_message("old" + std::to_string(number)));
    dovecot().doveadm("mailbox create -u anna -s Work");
  }
  std::vector<std::string> messages() {
    std::vector<std::string> paths;
    for (const auto& name : mount().list("INBOX")) paths.push_back(mount().path("INBOX/" + name));
    return paths;
  }
  bool waits_for(const std::string& operation) {
    return mount().run("tr -d '[:space:]' < .imapfs/requests | grep -q " + shell_quote(operation)).status == 0;
  }
  /// A child that reads a message which the frozen server does not send, once it waits.
  std::unique_ptr<Child> blocked_reader() {
    const auto path = messages().front();
    dovecot().freeze();
    auto reader = std::make_unique<Child>([path] {
      handle(SIGUSR1, SA_RESTART);
      char octets[4096];
      const int file = ::open(path.c_str(), O_RDONLY);
      return file >= 0 && ::read(file, octets, sizeof octets) > 0 ? 0 : 1;
    });
    EXPECT_TRUE(eventually([&] { return waits_for("INBOX/"); }));
    return reader;
  }
};

/// What failed, as "close:4 "; every call is made once.
class Calls {
 public:
  int operator()(const char* name, int result) {
    if (result < 0) failures_ += std::string(name) + ":" + std::to_string(errno) + " ";
    return result;
  }
  [[nodiscard]] const std::string& failures() const { return failures_; }

 private:
  std::string failures_;
};

void write_new_file(Calls& call, const std::string& path, const std::string& content) {
  const int file = call("open", ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (file < 0) return;
  call("write", static_cast<int>(::write(file, content.data(), content.size())));
  call("fsync", ::fsync(file));
  call("close", ::close(file));
}

void read_file_once(Calls& call, const std::string& path) {
  char octets[65536];
  const int file = call("open", ::open(path.c_str(), O_RDONLY));
  if (file < 0) return;
  call("read", static_cast<int>(::read(file, octets, sizeof octets)));
  call("close", ::close(file));
}

class SignalsWithFlags : public Signals, public ::testing::WithParamInterface<int> {};

TEST_P(SignalsWithFlags, AHandledSignalBreaksNothing) {
  const auto old = messages();
  ASSERT_EQ(old.size(), 20u);
  const auto root = mount().path();
  const auto report = file_path("report");
  const auto content = text_of("under-signals");
  Child busy([&] {
    handle(SIGALRM, GetParam());
    const itimerval often{{0, 2000}, {0, 2000}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    Calls call;
    for (int number = 0; number < 100; ++number) {
      const auto name = std::to_string(number) + ".eml";
      write_new_file(call, root + "/Work/new" + name, content);
      if (number % 4 == 0)
        call("rename", ::rename((root + "/Work/new" + name).c_str(), (root + "/Work/named" + name).c_str()));
      if (number % 4 == 1) call("unlink", ::unlink((root + "/Work/new" + name).c_str()));
    }
    for (const auto& path : old) read_file_once(call, path);
    for (std::size_t number = 0; number < 10; ++number)
      call("move", ::rename(old[number].c_str(), (root + "/Work/moved" + std::to_string(number)).c_str()));
    call("mkdir", ::mkdir((root + "/Below").c_str(), 0700));
    call("rmdir", ::rmdir((root + "/Below").c_str()));
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    write_file(report, call.failures());
    return 0;
  });
  EXPECT_EQ(busy.wait(300), std::optional(0));
  EXPECT_EQ(read_file(report), "");
  sync();
  EXPECT_EQ(other().living("Work").size(), 85u);
  EXPECT_EQ(other().living("INBOX").size(), 10u);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutRestart, SignalsWithFlags, ::testing::Values(SA_RESTART, 0),
                         [](const auto& tested) { return tested.param == 0 ? "Interrupting" : "Restarting"; });

class DeadlySignals : public Signals, public ::testing::WithParamInterface<int> {};

TEST_P(DeadlySignals, EndABlockedReaderAtOnceAlsoAfterOneThatItHandled) {
  const auto reader = blocked_reader();
  reader->signal(SIGUSR1);
  ASSERT_TRUE(eventually([&] { return reader->state() == 'D'; })) << "the kernel waits for our answer from here on";
  const auto started = Clock::now();
  reader->signal(GetParam());
  const auto status = reader->wait(10);
  EXPECT_LT(Clock::now() - started, std::chrono::seconds(1));
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == GetParam()) << *status;
  dovecot().thaw();
}

/// Quit and abort write a core: the kernel makes no SIGKILL of them.
INSTANTIATE_TEST_SUITE_P(Each, DeadlySignals, ::testing::Values(SIGINT, SIGTERM, SIGKILL, SIGQUIT, SIGHUP),
                         names_in_order({"Int", "Term", "Kill", "Quit", "Hup"}));

TEST_F(Signals, AReaderWhoseSignalIsHandledHasItsAnswerWhenTheServerGivesIt) {
  const auto reader = blocked_reader();
  reader->signal(SIGUSR1);
  ASSERT_TRUE(eventually([&] { return reader->state() == 'D'; }));
  dovecot().thaw();
  EXPECT_EQ(reader->wait(), std::optional(0));
}

TEST_F(Signals, AProgramKilledWhileItsFileIsUploadedEndsAtOnceAndTheFileArrivesOnce) {
  const auto path = mount().path("Work/slow.eml");
  const auto content = text_of("slow");
  run("ls Work");
  dovecot().freeze();
  Child writer([&] {
    Calls call;
    write_new_file(call, path, content);
    return call.failures().empty() ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] { return waits_for("fsync") || waits_for("flush"); }));
  const auto started = Clock::now();
  writer.signal(SIGINT);
  EXPECT_TRUE(writer.wait(10));
  EXPECT_LT(Clock::now() - started, std::chrono::seconds(1));
  dovecot().thaw();
  EXPECT_TRUE(eventually([&] { return count("Work", "slow") == 1; }));
  sync();
  EXPECT_EQ(count("Work", "slow"), 1u);
}

constexpr const char* read_of_events = R"("operation":"read","path":".imapfs/events")";

TEST_F(Signals, AReadOfEventsReturnsToTheHandlerAndLosesNoLine) {
  ASSERT_EQ(messages().size(), 20u);  // what comes from here on is news
  const auto path = mount().path(".imapfs/events");
  Child listener([path] {
    handle(SIGUSR1, 0);
    char octets[4096];
    const int file = ::open(path.c_str(), O_RDONLY);
    const bool returned = ::read(file, octets, sizeof octets) < 0 && errno == EINTR;
    return returned && ::read(file, octets, sizeof octets) > 0 ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] { return waits_for(read_of_events); }));
  listener.signal(SIGUSR1);
  dovecot().deliver("INBOX", sample_message("news"));
  EXPECT_EQ(listener.wait(), std::optional(0));
}

TEST_F(Signals, AReadOfEventsIsEndedByAKill) {
  const auto path = mount().path(".imapfs/events");
  BackgroundCommand listener("exec cat " + shell_quote(path));
  ASSERT_TRUE(eventually([&] { return waits_for(read_of_events); }));
  listener.signal(SIGINT);
  EXPECT_EQ(listener.wait(10), 128 + SIGINT);
}

}  // namespace
}  // namespace imapfs::testing
