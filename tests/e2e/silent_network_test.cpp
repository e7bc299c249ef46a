// A network that says nothing: whoever holds a directory lets go of it within the deadline, and nothing that was
// refused with a timeout happens later.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/fault_proxy.hpp"
#include "support/writing_test.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto deadline = 4s;
/// Of a busy machine.
constexpr auto slack = 3s;

/// Something that a user does in a directory; what it answers is not asked for here.
struct Operation {
  const char* name;
  const char* directory;
  void (*perform)(const std::string& root, const std::string& message);
};

void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }

/// Asks again and again for a name that nobody has: the kernel looks it up each time, and needs the directory for that.
class Bystander {
 public:
  explicit Bystander(std::string directory)
      : thread_([this, path = std::move(directory) + "/nobody-has-this-name"](const std::stop_token& stop) {
          struct stat status {};
          while (!stop.stop_requested()) {
            const auto asked = Clock::now();
            (void)::stat(path.c_str(), &status);
            const auto waited = Clock::now() - asked;
            if (waited > longest_.load()) longest_ = waited;
            ++looks_;
          }
        }) {}
  [[nodiscard]] int looks() const { return looks_; }
  Clock::duration longest_wait() {
    thread_ = {};
    return longest_;
  }

 private:
  std::atomic<Clock::duration> longest_ = Clock::duration{};
  std::atomic<int> looks_ = 0;
  std::jthread thread_;
};

class SilentNetworkTest : public WritingTest {
 protected:
  std::vector<std::string> server_options() override { return {"--no-tls", "--no-list-index"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.options = {"-o", "insecure", "--refresh=3600", "--timeout=4"};
    settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
    return settings;
  }
  void fill() override {
    other().command("CREATE Work");
    other().command("CREATE Empty");
    put("INBOX", "one");
    put("INBOX", "two");
    put("Work", "three");
  }
  /// Everything is known that can be, and from here on nothing comes or goes.
  void fall_silent() {
    message_ = name_with("INBOX", "one");
    sh("ls -l INBOX Work Empty > /dev/null; printf x > INBOX/.warm && mv INBOX/.warm INBOX/.cold && rm INBOX/.cold");
    file("staged", text_of("staged"));
    sh("cp $F/staged INBOX/.staged.tmp");
    proxy_->set_black_hole(true);
  }
  [[nodiscard]] const std::string& message() const { return message_; }
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
  std::string message_;
};

class HoldingADirectory : public SilentNetworkTest, public ::testing::WithParamInterface<Operation> {};

TEST_P(HoldingADirectory, EndsWithinTheDeadlineForTheCallerAndForABystander) {
  fall_silent();
  const auto root = mount().path();
  Bystander bystander(root + "/" + GetParam().directory);
  ASSERT_TRUE(eventually([&] { return bystander.looks() > 0; }));
  const auto started = Clock::now();
  GetParam().perform(root, message());
  EXPECT_LT(Clock::now() - started, 2 * deadline + slack);
  EXPECT_LT(bystander.longest_wait(), deadline + slack);
  proxy().set_black_hole(false);
}

void sync_directory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY);
  ::fsync(directory);
  ::close(directory);
}

const Operation operations[] = {
    {"RenameOfAMessageThatIsMoving", "Work",
     [](const std::string& root, const std::string& name) {
       ::rename((root + "/INBOX/" + name).c_str(), (root + "/Work/a.eml").c_str());
       ::rename((root + "/Work/a.eml").c_str(), (root + "/Work/b.eml").c_str());
     }},
    {"RenameOntoAMessageThatIsMoving", "Work",
     [](const std::string& root, const std::string& name) {
       ::rename((root + "/INBOX/" + name).c_str(), (root + "/Work/a.eml").c_str());
       ::rename((root + "/INBOX/.staged.tmp").c_str(), (root + "/Work/a.eml").c_str());
     }},
    {"RenameOfAStagedFile", "INBOX",
     [](const std::string& root, const std::string&) {
       ::rename((root + "/INBOX/.staged.tmp").c_str(), (root + "/INBOX/staged.eml").c_str());
     }},
    {"RenameOfADirectory", ".",
     [](const std::string& root, const std::string&) {
       ::rename((root + "/Empty").c_str(), (root + "/Else").c_str());
     }},
    {"Unlink", "INBOX",
     [](const std::string& root, const std::string& name) { ::unlink((root + "/INBOX/" + name).c_str()); }},
    {"MakingADirectory", ".",
     [](const std::string& root, const std::string&) { ::mkdir((root + "/New").c_str(), 0700); }},
    {"RemovingADirectory", ".",
     [](const std::string& root, const std::string&) { ::rmdir((root + "/Empty").c_str()); }},
    {"MakingAFile", "INBOX",
     [](const std::string& root, const std::string&) { ::mknod((root + "/INBOX/n.eml").c_str(), S_IFREG | 0600, 0); }},
    {"Linking", "INBOX",
     [](const std::string& root, const std::string& name) {
       (void)!::link((root + "/INBOX/" + name).c_str(), (root + "/INBOX/link").c_str());
       (void)!::symlink("nowhere", (root + "/INBOX/symlink").c_str());
     }},
    {"SyncOfADirectoryWithAChangeThatWaits", "Work",
     [](const std::string& root, const std::string& name) {
       ::rename((root + "/INBOX/" + name).c_str(), (root + "/Work/a.eml").c_str());
       sync_directory(root + "/Work");
     }},
};

INSTANTIATE_TEST_SUITE_P(Each, HoldingADirectory, ::testing::ValuesIn(operations),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(SilentNetworkTest, AStagedFileThatIsRenamedIsQueuedAndArrivesOnce) {
  fall_silent();
  const auto root = mount().path();
  EXPECT_EQ(::rename((root + "/INBOX/.staged.tmp").c_str(), (root + "/INBOX/staged.eml").c_str()), 0);
  EXPECT_TRUE(lists("INBOX", "staged.eml"));
  proxy().set_black_hole(false);
  EXPECT_TRUE(eventually([&] { return count("INBOX", "staged") == 1; }));
  EXPECT_TRUE(eventually([&] { return script("sync .").status == 0; }));
  EXPECT_EQ(count("INBOX", "staged"), 1u);
  EXPECT_TRUE(lists("INBOX", "staged.eml"));
}

TEST_F(SilentNetworkTest, ARenameThatHasTimedOutDoesNotHappenLater) {
  fall_silent();
  const auto root = mount().path();
  ASSERT_EQ(::rename((root + "/INBOX/" + message()).c_str(), (root + "/Work/a.eml").c_str()), 0);
  EXPECT_EQ(::rename((root + "/Work/a.eml").c_str(), (root + "/Work/b.eml").c_str()), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  proxy().set_black_hole(false);
  EXPECT_TRUE(eventually([&] { return script("sync .").status == 0; }));
  EXPECT_TRUE(lists("Work", "a.eml"));
  EXPECT_FALSE(lists("Work", "b.eml"));
}

}  // namespace
}  // namespace imapfs::testing
