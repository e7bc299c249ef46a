#pragma once
// A mount without a kernel: FakeAccount, ChangePublisher and Filesystem, and one-line ways to ask and to read answers.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/vfs/filesystem.hpp"
#include "support/fake_account.hpp"
#include "vfs/news/event_log.hpp"
#include "vfs/news/kernel_publisher.hpp"

namespace imapfs::vfs {

/// Receives a reply, on any thread. Fails the test when it comes twice.
template <class T>
class Answer {
 public:
  [[nodiscard]] Reply<T> reply() {
    return [state = state_](Result<T> result) {
      const std::lock_guard guard(state->mutex);
      EXPECT_FALSE(state->result.has_value()) << "answered twice";
      state->result.emplace(std::move(result));
      state->came.notify_all();
    };
  }
  /// For what another thread answers.
  const Answer& wait() const {
    std::unique_lock lock(state_->mutex);
    EXPECT_TRUE(state_->came.wait_for(lock, std::chrono::seconds(20), [&] { return state_->result.has_value(); }));
    return *this;
  }
  [[nodiscard]] bool came() const {
    const std::lock_guard guard(state_->mutex);
    return state_->result.has_value();
  }
  /// 0 for success; -1 while there is no answer.
  [[nodiscard]] int error() const { return !came() ? -1 : (*state_->result ? 0 : state_->result->error().errnum); }
  [[nodiscard]] const auto& value() const { return **state_->result; }
  [[nodiscard]] const std::string& cause() const { return state_->result->error().what; }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<Result<T>> result;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Situation {
  explicit Situation(Settings settings = default_settings(),
                     const std::vector<std::string>& mailboxes = {"INBOX", "Archive/", "Archive/2026", "Sent"},
                     const std::shared_ptr<store::Journal>& journal = nullptr)
      : account(mailboxes), filesystem(account, publisher, scheduler, std::move(settings),
                                       journal ? std::make_unique<sync::Outbox>(journal) : nullptr) {
    publisher.connect_mailboxes(&account.mailboxes());
  }

  static Settings default_settings() {
    Settings settings;
    settings.uid = 1000;
    settings.gid = 1000;
    return settings;
  }

  [[nodiscard]] NodeId mailbox(const std::string& path) const { return mailbox_node(account.id(path)); }
  [[nodiscard]] NodeId message(const std::string& path, std::uint32_t uid) const {
    return message_node(account.id(path), Uid{uid});
  }
  static Announcement announce(Announcement::Kind kind, NodeId parent, const std::string& name, NodeId node) {
    return Announcement{kind, parent, name, node};
  }

  Answer<Entry> lookup(NodeId parent, const std::string& name, const Caller& caller = {}) {
    Answer<Entry> answer;
    filesystem.lookup(caller, parent, name, answer.reply());
    return answer;
  }
  Answer<AttributesReply> getattr(NodeId node, const Caller& caller = {}) {
    Answer<AttributesReply> answer;
    filesystem.getattr(caller, node, answer.reply());
    return answer;
  }
  Answer<OpenResult> open(NodeId node, int flags = 0) {
    Answer<OpenResult> answer;
    filesystem.open({}, node, flags, answer.reply());
    return answer;
  }
  Answer<ReadResult> read(NodeId node, HandleId handle, std::uint64_t offset = 0, std::size_t size = 4096,
                          int flags = 0, RequestId request = 0) {
    Answer<ReadResult> answer;
    Caller caller;
    caller.request = request;
    filesystem.read(caller, {node, handle, offset, size, flags}, answer.reply());
    return answer;
  }
  Answer<OpenDirectoryResult> opendir(NodeId node) {
    Answer<OpenDirectoryResult> answer;
    filesystem.opendir({}, node, answer.reply());
    return answer;
  }
  Answer<DirectoryPage> readdir(NodeId node, std::uint64_t cookie, std::size_t limit = 100, bool plus = true) {
    Answer<DirectoryPage> answer;
    filesystem.readdir({}, {node, cookie, limit, plus}, answer.reply());
    return answer;
  }
  Answer<std::string> xattr(NodeId node, const std::string& name) {
    Answer<std::string> answer;
    filesystem.getxattr({}, node, name, answer.reply());
    return answer;
  }
  std::vector<std::string> xattr_names(NodeId node) {
    Answer<std::string> answer;
    filesystem.listxattr({}, node, answer.reply());
    std::vector<std::string> names;
    std::string rest = answer.value();
    for (std::size_t end = rest.find('\0'); end != std::string::npos; end = rest.find('\0')) {
      names.push_back(rest.substr(0, end));
      rest.erase(0, end + 1);
    }
    return names;
  }
  /// Every entry of a directory, in pages of `limit`.
  DirectoryPage list(NodeId node, std::size_t limit = 100, bool plus = true) {
    DirectoryPage all;
    for (std::uint64_t cookie = 0;;) {
      const auto page = readdir(node, cookie, limit, plus);
      if (page.error() != 0 || page.value().empty()) return all;
      all.insert(all.end(), page.value().begin(), page.value().end());
      cookie = page.value().back().cookie;
    }
  }
  static std::vector<std::string> names(const DirectoryPage& page) {
    std::vector<std::string> names;
    for (const auto& entry : page) names.push_back(entry.name);
    return names;
  }

  static std::string bytes(const ReadResult& result) {
    if (const auto* text = std::get_if<std::string>(&result.content)) return *text;
    const auto& slice = std::get<BodySlice>(result.content);
    std::string text(slice.length, '\0');
    const auto count = ::pread(slice.descriptor, text.data(), text.size(), static_cast<off_t>(slice.offset));
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
  }
  static std::string bytes(const Answer<ReadResult>& answer) { return bytes(answer.value()); }

  testing::FakeAccount account;
  ChangePublisher publisher;
  Scheduler scheduler;
  Filesystem filesystem;
};

inline Caller announcer() {
  Caller caller;
  caller.announcer = true;
  return caller;
}

}  // namespace imapfs::vfs
