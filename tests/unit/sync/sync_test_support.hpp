#pragma once
// Doubles for tests of the mailbox sync and the account: a listener that remembers, a session that lies, and calls that
// wait.

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/mime/header_decode.hpp"
#include "imapfs/sync/imap_account.hpp"
#include "support/await.hpp"
#include "support/fake_server.hpp"
#include "support/temporary_directory.hpp"

namespace imapfs::sync {

using testing::await;
using testing::TemporaryDirectory;

inline constexpr auto test_patience = testing::call_patience;

/// What a server can do for a client that was away.
enum class Level { qresync, condstore, none };
inline const auto all_levels = ::testing::Values(Level::qresync, Level::condstore, Level::none);
inline std::string level_name(const ::testing::TestParamInfo<Level>& level) {
  if (level.param == Level::qresync) return "Qresync";
  return level.param == Level::condstore ? "Condstore" : "None";
}
inline void limit(testing::FakeServer& server, Level level) {
  if (level != Level::qresync) server.set_capability("QRESYNC", false);
  if (level == Level::none) server.set_capability("CONDSTORE", false);
}

class RecordingListener : public ChangeListener {
 public:
  void on_mailbox_changed(const MailboxChange& change) override {
    const std::lock_guard guard(mutex_);
    changes_.push_back(change);
    changed_.notify_all();
  }
  void on_tree_changed(const TreeChange& change) override {
    const std::lock_guard guard(mutex_);
    for (const auto& node : change.added) tree_added_.push_back(node.path);
    for (const auto& node : change.removed) tree_removed_.push_back(node.path);
    changed_.notify_all();
  }
  void on_online(bool online, const std::string&) override {
    const std::lock_guard guard(mutex_);
    online_ = online;
    changed_.notify_all();
  }

  void on_change_refused(const std::string& operation, const std::string& path, const Error& error) override {
    const std::lock_guard guard(mutex_);
    refused_.push_back(operation + ' ' + path + ": " + error.what);
    changed_.notify_all();
  }

  [[nodiscard]] std::vector<Uid> added() const {
    return collect([](const MailboxChange& change, auto& uids) {
      for (const auto& entry : change.added) uids.push_back(entry.uid);
    });
  }
  [[nodiscard]] std::vector<Uid> removed() const {
    return collect([](const MailboxChange& change, auto& uids) {
      for (const auto& entry : change.removed) uids.push_back(entry.uid);
    });
  }
  [[nodiscard]] std::vector<Uid> flags_changed() const {
    return collect([](const MailboxChange& change, auto& uids) {
      uids.insert(uids.end(), change.flags_changed.begin(), change.flags_changed.end());
    });
  }
  [[nodiscard]] std::vector<Uid> attributes_changed() const {
    return collect([](const MailboxChange& change, auto& uids) {
      uids.insert(uids.end(), change.attributes_changed.begin(), change.attributes_changed.end());
    });
  }
  [[nodiscard]] std::vector<Uid> added_by_us() const {
    return collect([](const MailboxChange& change, auto& uids) {
      for (const auto& entry : change.added_by_us) uids.push_back(entry.uid);
    });
  }
  [[nodiscard]] std::vector<Uid> removed_by_us() const {
    return collect([](const MailboxChange& change, auto& uids) {
      for (const auto& entry : change.removed_by_us) uids.push_back(entry.uid);
    });
  }
  [[nodiscard]] std::size_t rights_changes() const {
    const std::lock_guard guard(mutex_);
    std::size_t count = 0;
    for (const auto& change : changes_) count += change.rights_changed ? 1 : 0;
    return count;
  }
  [[nodiscard]] bool saw_everything() const {
    const std::lock_guard guard(mutex_);
    for (const auto& change : changes_)
      if (change.everything) return true;
    return false;
  }
  [[nodiscard]] std::vector<std::string> tree_added() const {
    const std::lock_guard guard(mutex_);
    return tree_added_;
  }
  [[nodiscard]] std::vector<std::string> tree_removed() const {
    const std::lock_guard guard(mutex_);
    return tree_removed_;
  }
  [[nodiscard]] std::vector<std::string> refused() const {
    const std::lock_guard guard(mutex_);
    return refused_;
  }
  void clear() {
    const std::lock_guard guard(mutex_);
    changes_.clear();
  }
  /// `reached` is asked without the lock after every change.
  [[nodiscard]] bool wait(const std::function<bool()>& reached) {
    const auto end = SteadyClock::now() + test_patience;
    std::unique_lock lock(mutex_);
    while (true) {
      lock.unlock();
      if (reached()) return true;
      lock.lock();
      // Some conditions change without a call to this listener: look again now and then.
      changed_.wait_for(lock, std::chrono::milliseconds(5));
      if (SteadyClock::now() > end) return false;
    }
  }

 private:
  template <class Function>
  std::vector<Uid> collect(Function&& function) const {
    const std::lock_guard guard(mutex_);
    std::vector<Uid> uids;
    for (const auto& change : changes_) function(change, uids);
    return uids;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<MailboxChange> changes_;
  std::vector<std::string> tree_added_;
  std::vector<std::string> tree_removed_;
  std::vector<std::string> refused_;
  bool online_ = false;
};

inline std::string mail(const std::string& subject) {
  return "From: Anna <anna@example.org>\r\nTo: bob@example.org\r\nSubject: " + subject +
         "\r\nDate: Mon, 16 Nov 2026 09:30:00 +0000\r\nMessage-ID: <" + subject + "@example.org>\r\n\r\nHello.\r\n";
}

inline mime::NameTemplate default_names() {
  mime::initialise_mime();
  return mime::NameTemplate::parse(mime::NameTemplate::default_text).value();
}

}  // namespace imapfs::sync
