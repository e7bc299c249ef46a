#pragma once
// sync::MailboxReader without a server: a tree of mailboxes, and tables that the test fills row by row. What the real
// one would fetch comes when the network lets it. Thread-safe; completions run with no lock held.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "awaited_rows.hpp"
#include "fake_network.hpp"
#include "fake_tables.hpp"
#include "fake_tree.hpp"
#include "imapfs/sync/mailbox_reader.hpp"

namespace imapfs::testing {

class FakeMailboxReader : public sync::MailboxReader {
 public:
  /// They outlive it.
  FakeMailboxReader(FakeTree& tree, FakeTables& tables, AwaitedRows& rows, FakeNetwork& network)
      : tree_(tree), tables_(tables), rows_(rows), network_(network) {}

  // -- what the test arranges --

  [[nodiscard]] sync::WritableMessageTable& messages(const std::string& path) { return *tables_.table(tree_.id(path)); }
  /// Puts it into the table. Those who wait for rows go on.
  std::string add(const std::string& path, const MessageMeta& meta) {
    messages(path).upsert(meta, true);
    rows_.wake(tree_.id(path));
    return meta.file_name;
  }
  std::string add(const std::string& path, std::uint32_t uid) { return add(path, fake_message(uid)); }
  void complete(const std::string& path) {
    messages(path).set_complete(true);
    rows_.wake(tree_.id(path));
  }
  /// The server has it, the table does not.
  std::string add_unlisted(const std::string& path, std::uint32_t uid) {
    auto meta = fake_message(uid);
    auto name = meta.file_name;
    tables_.add_unlisted(tree_.id(path), std::move(meta));
    return name;
  }
  void set_directory_time(const std::string& path, sync::DirectoryTime time) {
    const std::lock_guard guard(mutex_);
    times_[tree_.id(path)] = time;
  }
  void set_rights(const std::string& path, sync::MailboxRights rights) {
    const std::lock_guard guard(mutex_);
    rights_[tree_.id(path)] = std::move(rights);
  }
  /// Of every message.
  void set_details(sync::MessageDetails details) {
    const std::lock_guard guard(mutex_);
    details_ = std::move(details);
  }
  struct Calls {
    int freshen = 0;
    int freshen_tree = 0;
    int find_message = 0;
    int details = 0;
    int await_rows = 0;
  };
  [[nodiscard]] Calls calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
  }

  // -- MailboxReader --

  [[nodiscard]] std::shared_ptr<const sync::MailboxTree> tree() const override { return tree_.snapshot(); }
  void freshen_tree(Completion<void> done) override {
    count(&Calls::freshen_tree);
    network_.answer([done = std::move(done)] { done({}); });
  }
  [[nodiscard]] std::shared_ptr<const sync::MessageTable> table(MailboxId mailbox) const override {
    const auto tree = tree_.snapshot();
    const auto* node = tree->find(mailbox);
    return node && node->selectable ? tables_.table(mailbox) : nullptr;
  }
  [[nodiscard]] sync::DirectoryTime directory_time(MailboxId mailbox) const override {
    const std::lock_guard guard(mutex_);
    const auto found = times_.find(mailbox);
    return found == times_.end() ? sync::DirectoryTime{1600000000, 5} : found->second;
  }
  [[nodiscard]] sync::MailboxRights rights(MailboxId mailbox) const override {
    const std::lock_guard guard(mutex_);
    const auto found = rights_.find(mailbox);
    return found == rights_.end() ? sync::MailboxRights{} : found->second;
  }
  void freshen(MailboxId, Completion<void> done) override {
    count(&Calls::freshen);
    network_.answer([done = std::move(done)] { done({}); });
  }
  void await_rows(MailboxId mailbox, Uid after, Completion<void> done) override {
    count(&Calls::await_rows);
    rows_.await(mailbox, after, std::move(done));
  }
  void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) override {
    count(&Calls::find_message);
    network_.answer([this, mailbox, name, done = std::move(done)] {
      done(tables_.find_unlisted(mailbox, [&](const MessageMeta& meta) { return meta.file_name == name; }));
    });
  }
  void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) override {
    count(&Calls::find_message);
    network_.answer([this, mailbox, uid, done = std::move(done)] {
      done(tables_.find_unlisted(mailbox, [&](const MessageMeta& meta) { return meta.uid == uid; }));
    });
  }
  void details(MailboxId, Uid, Completion<sync::MessageDetails> done) override {
    count(&Calls::details);
    network_.answer([this, done = std::move(done)] {
      std::unique_lock lock(mutex_);
      auto details = details_;
      lock.unlock();
      done(std::move(details));
    });
  }

 private:
  void count(int Calls::*call) {
    const std::lock_guard guard(mutex_);
    ++(calls_.*call);
  }

  FakeTree& tree_;
  FakeTables& tables_;
  AwaitedRows& rows_;
  FakeNetwork& network_;
  mutable std::mutex mutex_;
  std::map<MailboxId, sync::DirectoryTime> times_;
  std::map<MailboxId, sync::MailboxRights> rights_;
  sync::MessageDetails details_;
  Calls calls_;
};

}  // namespace imapfs::testing
