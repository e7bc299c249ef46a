#pragma once
// Fixture of the e2e tests that change something: scripts with a folder of files outside the mount, and another client
// that says what the server holds afterwards.

#include <algorithm>
#include <optional>
#include <sstream>

#include "mounted_test.hpp"
#include "other_client.hpp"
#include "temporary_directory.hpp"

namespace imapfs::testing {

class WritingTest : public MountedTest {
 protected:
  /// With it, one CREATE in twenty is answered ALREADYEXISTS while other connections look on.
  std::vector<std::string> server_options() override { return {"--no-list-index"}; }
  void TearDown() override {
    other_.reset();
    MountedTest::TearDown();
  }

  /// A message as a user's file has it: LF line ends.
  static std::string text_of(const std::string& subject, const std::string& text = "Hello.\n") {
    return "From: Bob Baker <bob@example.org>\nTo: anna@example.org\nSubject: " + subject +
           "\nDate: Fri, 20 Nov 2026 09:30:00 +0000\nMessage-ID: <" + subject + "@example.org>\n\n" + text;
  }
  /// The same as the server has it.
  static std::string mail_of(const std::string& subject, const std::string& text = "Hello.\n") {
    return with_crlf(text_of(subject, text));
  }
  /// Puts a message into a mailbox as another client.
  void put(const std::string& mailbox, const std::string& subject, const std::string& flags = "",
           const std::string& date = "04-May-2020 10:20:30 +0000") {
    other().append(mailbox, mail_of(subject), flags, date);
  }

  /// Writes a file into the folder that scripts know as $F.
  void file(const std::string& name, const std::string& content) { write_file(files_.path(name), content); }
  [[nodiscard]] std::string file_path(const std::string& name) const { return files_.path(name); }
  [[nodiscard]] CommandResult script(const std::string& text, int seconds = 60) {
    return mount().run("F=" + shell_quote(files_.path()) + "; umask 077; " + text, seconds);
  }
  /// Expects status 0; its standard output.
  std::string sh(const std::string& text, int seconds = 60) {
    const auto result = script(text, seconds);
    EXPECT_EQ(result.status, 0) << text << "\n" << result.output << result.errors;
    return result.output;
  }
  /// Expects a failure that says `reason` ("Disk quota exceeded").
  void refused(const std::string& text, const std::string& reason) {
    const auto result = script(text);
    EXPECT_NE(result.status, 0) << text;
    EXPECT_NE(result.errors.find(reason), std::string::npos) << text << "\nsays: " << result.errors;
  }
  /// What was accepted has reached the server.
  void sync() { sh("sync . 2>&1"); }

  OtherClient& other() {
    if (!other_) other_.emplace(dovecot());
    return *other_;
  }
  /// Bodies of the messages that are not flagged \Deleted, by UID.
  std::vector<std::string> bodies(const std::string& mailbox) {
    std::vector<std::string> all;
    for (auto& message : other().living(mailbox)) all.push_back(std::move(message.body));
    return all;
  }
  /// How many messages that are not flagged \Deleted have this subject.
  std::size_t count(const std::string& mailbox, const std::string& subject) {
    std::size_t found = 0;
    for (const auto& body : bodies(mailbox))
      found += body.find("Subject: " + subject + "\r\n") != std::string::npos ? 1U : 0U;
    return found;
  }
  /// The message with this subject, flagged or not; empty and a failure if there is not exactly one.
  ServerMessage message(const std::string& mailbox, const std::string& subject) {
    std::vector<ServerMessage> found;
    for (auto& candidate : other().messages(mailbox))
      if (candidate.body.find("Subject: " + subject + "\r\n") != std::string::npos)
        found.push_back(std::move(candidate));
    EXPECT_EQ(found.size(), 1u) << subject << " in " << mailbox;
    return found.size() == 1 ? found[0] : ServerMessage{};
  }
  bool lists(const std::string& directory, const std::string& name) {
    const auto names = mount().list(directory);
    return std::find(names.begin(), names.end(), name) != names.end();
  }
  void remount() {
    mount().unmount();
    mount().mount();
  }
  /// Lines of the daemon's log that contain all parts.
  std::size_t log_lines(const std::vector<std::string>& parts) {
    std::size_t found = 0;
    std::istringstream log(mount().log());
    for (std::string line; std::getline(log, line);)
      found += std::all_of(parts.begin(), parts.end(),
                           [&](const auto& part) { return line.find(part) != std::string::npos; })
                   ? 1U
                   : 0U;
    return found;
  }

 private:
  TemporaryDirectory files_{on_disk()};
  std::optional<OtherClient> other_;
};

}  // namespace imapfs::testing
