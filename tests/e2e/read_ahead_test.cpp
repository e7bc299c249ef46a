// Whoever reads a mailbox message by message pays for few commands, and gets every byte; whoever does not pays for what
// he reads.
#include <chrono>
#include <filesystem>

#include "support/fault_proxy.hpp"
#include "support/mounted_test.hpp"
#include "support/other_client.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::testing {
namespace {

using namespace std::chrono_literals;

class ReadAheadMount : public MountedTest {
 protected:
  static constexpr int messages = 400;

  std::vector<std::string> server_options() override { return {"--no-tls"}; }
  Mounted::Settings mount_settings() override {
    proxy_ = std::make_unique<FaultProxy>(dovecot().imap_port());
    Mounted::Settings settings;
    settings.options = {"-o", "insecure", "--refresh=3600", "--timeout=20"};
    settings.url = url();
    return settings;
  }
  [[nodiscard]] std::string url() const { return "imap://anna@127.0.0.1:" + std::to_string(proxy_->port()); }
  static std::string body_of(int number) {
    std::string text;
    while (static_cast<int>(text.size()) < 2000 + number % 7 * 9000)
      text += "Line " + std::to_string(number * 7919 + static_cast<int>(text.size())) + " of this message.\r\n";
    return sample_message("number " + std::to_string(number), "bob@example.org", text);
  }
  void fill() override {
    dovecot().doveadm("mailbox create -u anna -s Many");
    dovecot().doveadm("mailbox create -u anna -s Other");
    OtherClient client(dovecot());
    // MULTIAPPEND (RFC 3502).
    std::string text = "APPEND Many";
    for (int number = 1; number <= messages; ++number) {
      const auto message = body_of(number);
      // A minute each, so that names, which begin with the date, run along UIDs.
      const auto minute = std::to_string(100 + number % 60).substr(1);
      const auto hour = std::to_string(100 + number / 60).substr(1);
      text += " () \"20-Nov-2026 " + hour + ":" + minute + ":00 +0000\" {" + std::to_string(message.size()) + "+}\r\n" +
              message;
    }
    client.command(text);
    client.command("APPEND Other {" + std::to_string(body_of(1).size()) + "+}\r\n" + body_of(1));
  }
  /// Compares a copy of Many with what was appended.
  static void expect_complete(const std::string& directory) {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const std::string stem = entry.path().stem();
      const int uid = std::stoi(stem.substr(stem.rfind('.') + 1));
      EXPECT_TRUE(read_file(entry.path()) == body_of(uid)) << stem << " differs";
      ++found;
    }
    EXPECT_EQ(found, messages);
  }
  [[nodiscard]] std::uint64_t commands() { return mount().counter("imap_commands"); }
  FaultProxy& proxy() { return *proxy_; }

 private:
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(ReadAheadMount, TarIsByteExactAndCostsFewCommands) {
  TemporaryDirectory copy(on_disk());
  run("ls Many > /dev/null");
  const auto before = commands();
  run("tar cf - Many | tar xf - -C " + copy.path());
  EXPECT_LE(commands() - before, 20u);
  expect_complete(copy.path("Many"));
  EXPECT_EQ(mount().counter("bodies_fetched"), static_cast<std::uint64_t>(messages)) << "each once";
  EXPECT_GE(mount().counter("bodies_fetched_ahead"), static_cast<std::uint64_t>(messages) - 10);
  EXPECT_GE(mount().counter("body_sets_fetched"), 3u);
}

TEST_F(ReadAheadMount, GrepRsyncAndAGlobAreReadersToo) {
  TemporaryDirectory copy(on_disk());
  for (const std::string reader :
       {"grep -rc nothing Many > /dev/null || true", "rsync -a Many ", "cat Many/* > /dev/null"}) {
    Mounted other(dovecot(), {{"-o", "insecure"}, url(), "", ""});
    const auto before = other.counter("imap_commands");
    const auto result = other.run(reader + (reader.starts_with("rsync") ? copy.path() : ""));
    EXPECT_EQ(result.status, 0) << result.errors;
    EXPECT_LE(other.counter("imap_commands") - before, 30u) << reader;
  }
  expect_complete(copy.path("Many"));
}

TEST_F(ReadAheadMount, CpReadsInTheOrderOfInodes) {
  TemporaryDirectory copy(on_disk());
  const auto before = commands();
  run("cp -r Many " + copy.path());
  EXPECT_LE(commands() - before, 120u);
  expect_complete(copy.path("Many"));
}

TEST_F(ReadAheadMount, AtRandomOnlyWhatIsReadIsFetched) {
  run("ls Many > /dev/null");
  const auto before = mount().counter("bodies_fetched");
  run("for i in 17 390 211 45 300 122 8 266 71 333; do cat Many/.uid/$i.eml > /dev/null; done");
  EXPECT_EQ(mount().counter("bodies_fetched") - before, 10u);
  EXPECT_EQ(mount().counter("body_sets_fetched"), 0u);
}

TEST_F(ReadAheadMount, AnOpenElsewhereIsAnsweredWhileTarRuns) {
  run("ls Many Other > /dev/null");
  // Tar takes several seconds.
  proxy().set_link({0ms, 0}, {0ms, 2 << 20});
  const auto result = mount().run(
      "tar cf - Many | cat > /dev/null & tar=$!; "
      "until grep -qE '\"body_sets_fetched\": *[2-9]' .imapfs/status; do :; done; "
      "cat Other/*.eml > /dev/null && kill -0 $tar; answered=$?; kill $tar; exit $answered");
  EXPECT_EQ(result.status, 0) << "it waited for the tar: " << result.errors;
}

TEST_F(ReadAheadMount, AConnectionCutInMidSetLosesNothing) {
  TemporaryDirectory copy(on_disk());
  run("ls Many > /dev/null");
  proxy().cut_after(3'000'000);
  run("tar cf - Many | tar xf - -C " + copy.path());
  EXPECT_EQ(proxy().counters().cuts, 1u);
  expect_complete(copy.path("Many"));
}

}  // namespace
}  // namespace imapfs::testing
