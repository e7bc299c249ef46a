#pragma once
// Fixture of the e2e tests against a server that the test bends: the server first, then its mail, then the mount.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "imap_server.hpp"
#include "mounted.hpp"

namespace imapfs::testing {

class ImapServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
  }
  void TearDown() override {
    if (HasFailure() && mount_) std::fprintf(stderr, "--- log of the daemon ---\n%s\n", mount_->log().c_str());
    if (HasFailure() && server_) std::fprintf(stderr, "--- commands ---\n%s\n", server_->log().text().c_str());
    mount_.reset();
    server_.reset();
  }

  /// A server with `Commands` (ImapCommands, or what a test makes of it), which stays in the test's hands.
  template <class Commands = ImapCommands, class... Arguments>
  Commands& serve(Arguments&&... arguments) {
    auto commands = std::make_unique<Commands>(std::forward<Arguments>(arguments)...);
    auto& bent = *commands;
    server_ = std::make_unique<ImapServer>(std::move(commands));
    return bent;
  }
  void mount_it(const std::vector<std::string>& options = {}) {
    Mounted::Settings settings;
    settings.options = options;
    mount_ = std::make_unique<Mounted>(address_of(*server_), settings);
  }

  ImapServer& server() { return *server_; }
  ImapAccount& mail() { return server_->account(); }
  Mounted& mount() { return *mount_; }

  std::size_t files_in(const std::string& directory) { return mount_->list(directory).size(); }
  /// What status says of a mailbox.
  nlohmann::json mailbox_status(const std::string& path) {
    const auto status = mount_->status();
    for (const auto& mailbox : status.at("mailboxes")) {
      if (mailbox.at("path") == path) return mailbox;
    }
    return {};
  }

  static ServerAddress address_of(const ImapServer& server) {
    return {server.url(), server.ca_file(), server.password_file()};
  }

 private:
  std::unique_ptr<ImapServer> server_;
  std::unique_ptr<Mounted> mount_;
};

}  // namespace imapfs::testing
