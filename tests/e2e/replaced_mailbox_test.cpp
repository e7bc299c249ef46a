// A body belongs to its UIDVALIDITY: connections that still have a removed mailbox open serve its messages (RFC 2180
// §3.1).

#include <condition_variable>
#include <mutex>

#include "support/imap_server_test.hpp"

namespace imapfs::testing {
namespace {

/// Holds the first body that is asked for, once it was told to, so that the next one needs another connection.
struct HeldBody : ImapCommands {
  void hold_one() {
    const std::lock_guard guard(mutex_);
    holds_ = true;
  }
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_; });
  }
  void detach() {
    const std::lock_guard guard(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void fetch(ImapDialogue& client, const ImapCommand& command) override {
    if (command.argument(1).find("BODY.PEEK[]") != std::string::npos) {
      std::unique_lock lock(mutex_);
      if (std::exchange(holds_, false)) {
        held_ = true;
        changed_.notify_all();
        changed_.wait(lock, [&] { return !held_; });
      }
    }
    ImapCommands::fetch(client, command);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool holds_ = false;
  bool held_ = false;
};

class ReplacedMailbox : public ImapServerTest {
 protected:
  void fill(const std::string& age, std::uint32_t validity) {
    mail().change([&](ImapAccount::Mailboxes& all) {
      all["Archive"] = std::make_shared<ImapMailbox>();
      all["Archive"]->uid_validity = validity;
      for (int number = 1; number <= 4; ++number)
        all["Archive"]->append(sample_message("Message " + std::to_string(number), "bob@example.org", age + "\r\n"));
    });
  }
  /// Reads two messages over two connections.
  void read_by_two(HeldBody& bent, const std::string& first, const std::string& second, const std::string& expected) {
    bent.hold_one();
    BackgroundCommand reader("tail -qn 1 " + shell_quote(mount().path("Archive")) + "/*" + first + "*");
    bent.wait_until_held();
    EXPECT_EQ(mount().run("tail -qn 1 Archive/*" + second + "*").output, expected);
    bent.detach();
    EXPECT_EQ(reader.wait(), 0);
    EXPECT_EQ(reader.output(), expected);
  }
};

TEST_F(ReplacedMailbox, IsNotReadFromConnectionsThatHaveTheOldOneOpen) {
  auto& bent = serve<HeldBody>();
  fill("old", 7);
  mount_it({"--refresh=1", "--connections=4"});
  EXPECT_EQ(files_in("Archive"), 4U);
  read_by_two(bent, "Message-1", "Message-2", "old\r\n");
  fill("new", 8);
  EXPECT_TRUE(eventually([&] {
    (void)mount().list("Archive");
    return mailbox_status("Archive").at("uidvalidity") == 8;
  }));
  EXPECT_EQ(files_in("Archive"), 4U);
  read_by_two(bent, "Message-3", "Message-4", "new\r\n");
  EXPECT_EQ(mount().run("tail -qn 1 Archive/* | sort -u").output, "new\r\n");
}

}  // namespace
}  // namespace imapfs::testing
