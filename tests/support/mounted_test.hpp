#pragma once
// Fixture of the e2e tests: one Dovecot per test suite, one mount per test.

#include <gtest/gtest.h>

#include <memory>

#include "mounted.hpp"

namespace imapfs::testing {

/// Skips only where /dev/fuse does not exist; a suite that cannot mount elsewhere fails.
class MountedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
    dovecot_ = std::make_unique<Dovecot>(server_options());
    fill();
    Mounted::Settings settings = mount_settings();
    mount_ = std::make_unique<Mounted>(*dovecot_, settings);
  }
  void TearDown() override {
    if (HasFailure() && mount_) std::fprintf(stderr, "--- log of the daemon ---\n%s\n", mount_->log().c_str());
    mount_.reset();
    dovecot_.reset();
  }

  virtual std::vector<std::string> server_options() { return {}; }
  virtual Mounted::Settings mount_settings() { return {}; }
  /// Mail that is there before the mount.
  virtual void fill() {}

  Dovecot& dovecot() { return *dovecot_; }
  Mounted& mount() { return *mount_; }
  /// Runs in the mountpoint and expects status 0; its standard output.
  std::string run(const std::string& script) {
    const auto result = mount_->run(script);
    EXPECT_EQ(result.status, 0) << script << "\n" << result.output << result.errors;
    return result.output;
  }
  /// The only name in `directory` that contains `part`; empty (and a failure) if there is none or more than one.
  std::string name_with(const std::string& directory, const std::string& part) {
    std::string found;
    for (const auto& name : mount_->list(directory)) {
      if (name.find(part) == std::string::npos) continue;
      EXPECT_TRUE(found.empty()) << "both " << found << " and " << name << " contain " << part;
      found = name;
    }
    EXPECT_FALSE(found.empty()) << "nothing in " << directory << " contains " << part;
    return found;
  }

 private:
  std::unique_ptr<Dovecot> dovecot_;
  std::unique_ptr<Mounted> mount_;
};

}  // namespace imapfs::testing
