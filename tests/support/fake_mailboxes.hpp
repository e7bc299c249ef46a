#pragma once
// The part of FakeAccount that is only read: a tree of mailboxes, tables the test fills row by row, and bodies from
// strings. What the real account would fetch, the test can hold back and let come when it likes. Thread-safe;
// completions run with no lock held.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/sync/account.hpp"
#include "sync/mailbox/writable_message_table.hpp"

namespace imapfs::testing {

/// When the lengths of bodies are proved. Until then a body tells `told`.
class LengthProof {
 public:
  explicit LengthProof(std::uint64_t told) : told_(told) {}
  [[nodiscard]] std::uint64_t told() const { return told_; }
  [[nodiscard]] bool given() const {
    const std::lock_guard guard(mutex_);
    return given_;
  }
  /// Now, if it is given.
  void when_given(std::function<void()> work) {
    {
      const std::lock_guard guard(mutex_);
      if (!given_) return waiting_.push_back(std::move(work));
    }
    work();
  }
  void give() {
    std::vector<std::function<void()>> waiting;
    {
      const std::lock_guard guard(mutex_);
      given_ = true;
      waiting.swap(waiting_);
    }
    for (const auto& work : waiting) work();
  }

 private:
  const std::uint64_t told_;
  mutable std::mutex mutex_;
  bool given_ = false;
  std::vector<std::function<void()>> waiting_;
};

/// The text in an anonymous file. With a proof that is not given yet: what ends below the told length can be read.
class FakeBody : public sync::Body {
 public:
  FakeBody(const std::string& text, bool whole, std::shared_ptr<LengthProof> proof = nullptr)
      : length_(text.size()), whole_(whole), proof_(std::move(proof)) {
    const int descriptor = ::memfd_create("body", MFD_CLOEXEC);
    for (std::size_t written = 0; written < text.size();) {
      const auto count = ::write(descriptor, text.data() + written, text.size() - written);
      if (count <= 0) break;
      written += static_cast<std::size_t>(count);
    }
    file_ = std::shared_ptr<int>(new int(descriptor), [](int* file) {
      ::close(*file);
      delete file;
    });
  }

  [[nodiscard]] std::uint64_t length() const override { return length_is_proved() ? length_ : proof_->told(); }
  [[nodiscard]] bool length_is_proved() const override { return !proof_ || proof_->given(); }
  [[nodiscard]] bool whole() const override { return whole_; }
  void read(std::uint64_t offset, std::size_t length, Completion<sync::BodySlice> done) override {
    if (!length_is_proved() && offset + length >= proof_->told()) {
      return proof_->when_given([this, offset, length, done = std::move(done)] { read(offset, length, done); });
    }
    const auto present = offset < length_ ? std::min<std::uint64_t>(length, length_ - offset) : 0;
    done(sync::BodySlice{*file_, offset, static_cast<std::size_t>(present), file_});
  }

 private:
  std::uint64_t length_;
  bool whole_;
  std::shared_ptr<LengthProof> proof_;
  std::shared_ptr<int> file_;
};

class FakeMailboxes : public sync::MailboxReader, public sync::BodyReader {
 public:
  using Path = std::string;

  explicit FakeMailboxes(const std::vector<Path>& mailboxes) : names_(default_names()) { set_mailboxes(mailboxes); }

  // -- what the test arranges --

  /// Replaces the tree; "name/" is a directory without messages. Returns what differs from the tree before.
  sync::TreeChange set_mailboxes(const std::vector<Path>& mailboxes) {
    std::vector<imap::ListedMailbox> listed;
    for (const auto& path : mailboxes) {
      imap::ListedMailbox mailbox;
      mailbox.selectable = path.back() != '/';
      mailbox.name = mailbox.selectable ? path : path.substr(0, path.size() - 1);
      mailbox.wire_name = mailbox.name;
      mailbox.delimiter = '/';
      if (mailbox.name == "Sent") mailbox.special_use = SpecialUse::sent;
      if (mailbox.name == "Trash") mailbox.special_use = SpecialUse::trash;
      mailbox.status.unseen = 3;
      listed.push_back(std::move(mailbox));
    }
    const imap::Namespace personal{imap::Namespace::Kind::personal, "", "", '/'};
    auto built = sync::MailboxTree::build(account_name_, {personal}, listed);
    const std::lock_guard guard(mutex_);
    paths_ = mailboxes;
    auto change = tree_ ? sync::difference(*tree_, *built) : sync::TreeChange{};
    tree_ = std::move(built);
    for (const auto& [id, node] : tree_->nodes()) {
      if (!node.selectable || mailboxes_.contains(id)) continue;
      mailboxes_[id].table->reset(UidValidity{default_validity});
    }
    return change;
  }
  [[nodiscard]] MailboxId id(const Path& path) const {
    const auto* node = tree()->find_path(path);
    return node ? node->id : MailboxId{0};
  }
  [[nodiscard]] sync::WritableMessageTable& messages(const Path& path) { return *mailbox(id(path)).table; }

  /// A message as the server has it.
  [[nodiscard]] MessageMeta message(std::uint32_t uid, const std::string& subject = "Hello") const {
    MessageMeta meta;
    meta.uid = Uid{uid};
    meta.internal_date = 1700000000 + uid;
    meta.size = 1000 + uid;
    meta.file_name = names_.render({meta.uid, meta.internal_date, "anna@example.org", "", subject, ""});
    return meta;
  }
  /// Puts it into the table. Those who wait for rows go on.
  std::string add(const Path& path, const MessageMeta& meta) {
    messages(path).upsert(meta, true);
    wake(id(path));
    return meta.file_name;
  }
  std::string add(const Path& path, std::uint32_t uid) { return add(path, message(uid)); }
  void complete(const Path& path) {
    messages(path).set_complete(true);
    wake(id(path));
  }
  /// The server has it, the table does not.
  std::string add_unlisted(const Path& path, std::uint32_t uid) {
    auto meta = message(uid);
    auto name = meta.file_name;
    const std::lock_guard guard(mutex_);
    mailboxes_[id_locked(path)].unlisted.push_back(std::move(meta));
    return name;
  }
  void set_body(const Path& path, std::uint32_t uid, std::string text, bool whole = true) {
    const std::lock_guard guard(mutex_);
    mailboxes_[id_locked(path)].bodies[uid] = {std::move(text), whole};
  }
  void remove_body(const Path& path, std::uint32_t uid) {
    const std::lock_guard guard(mutex_);
    mailboxes_[id_locked(path)].bodies.erase(uid);
  }
  /// Those whose rows have come, or who wait for a complete table, go on.
  void wake(MailboxId id) {
    std::vector<Waiting> ready;
    {
      const std::lock_guard guard(mutex_);
      auto& entry = mailboxes_[id];
      const auto rest = std::stable_partition(entry.waiting.begin(), entry.waiting.end(), [&](const Waiting& waiting) {
        return !has_rows(*entry.table, waiting.after);
      });
      std::move(rest, entry.waiting.end(), std::back_inserter(ready));
      entry.waiting.erase(rest, entry.waiting.end());
    }
    for (auto& waiting : ready) waiting.done({});
  }
  /// The sync of a mailbox has failed: whoever waits for rows gets the error.
  void fail_rows(const Path& path, const Error& error) {
    std::vector<Waiting> failed;
    {
      const std::lock_guard guard(mutex_);
      failed = std::exchange(mailboxes_[id_locked(path)].waiting, {});
    }
    for (auto& waiting : failed) waiting.done(fail(error));
  }
  /// From here on bodies can be read below `told` before their length is proved by prove_lengths().
  void withhold_lengths(std::uint64_t told) {
    const std::lock_guard guard(mutex_);
    proof_ = std::make_shared<LengthProof>(told);
  }
  void prove_lengths() { locked_copy(proof_)->give(); }
  /// From now on the network answers only in answer_all().
  void hold() {
    const std::lock_guard guard(mutex_);
    holding_ = true;
  }
  void answer_all() {
    std::vector<Job> held;
    {
      const std::lock_guard guard(mutex_);
      holding_ = false;
      held = std::exchange(held_, {});
    }
    for (auto& answer : held) answer();
  }
  /// From now on no body is at hand, and the sizes of messages that have a row are to be trusted.
  void let_bodies_wait(bool wait = true) {
    const std::lock_guard guard(mutex_);
    bodies_can_wait_ = wait;
  }
  void set_directory_time(const Path& path, sync::DirectoryTime time) {
    const std::lock_guard guard(mutex_);
    times_[id_locked(path)] = time;
  }
  void set_details(sync::MessageDetails details) {
    const std::lock_guard guard(mutex_);
    details_ = std::move(details);
  }

  struct Calls {
    int freshen = 0;
    int freshen_tree = 0;
    int find_message = 0;
    int details = 0;
    int open_body = 0;
    int await_rows = 0;
  };
  [[nodiscard]] Calls calls() const {
    const std::lock_guard guard(mutex_);
    return calls_;
  }
  [[nodiscard]] std::size_t waiting_for_rows(const Path& path) const {
    const std::lock_guard guard(mutex_);
    return mailboxes_.at(id_locked(path)).waiting.size();
  }

  // -- MailboxReader, BodyReader --

  [[nodiscard]] const std::string& account_name() const { return account_name_; }
  [[nodiscard]] std::shared_ptr<const sync::MailboxTree> tree() const override {
    const std::lock_guard guard(mutex_);
    return tree_;
  }
  void freshen_tree(Completion<void> done) override {
    count(&Calls::freshen_tree);
    answer([done = std::move(done)] { done({}); });
  }
  [[nodiscard]] std::shared_ptr<const sync::MessageTable> table(MailboxId mailbox) const override {
    const std::lock_guard guard(mutex_);
    const auto* node = tree_->find(mailbox);
    const auto found = mailboxes_.find(mailbox);
    return node && node->selectable && found != mailboxes_.end() ? found->second.table : nullptr;
  }
  [[nodiscard]] sync::DirectoryTime directory_time(MailboxId mailbox) const override {
    const std::lock_guard guard(mutex_);
    const auto found = times_.find(mailbox);
    return found == times_.end() ? sync::DirectoryTime{1600000000, 5} : found->second;
  }
  void freshen(MailboxId, Completion<void> done) override {
    count(&Calls::freshen);
    answer([done = std::move(done)] { done({}); });
  }
  void await_rows(MailboxId id, Uid after, Completion<void> done) override {
    count(&Calls::await_rows);
    {
      const std::lock_guard guard(mutex_);
      auto& entry = mailboxes_[id];
      if (!has_rows(*entry.table, after)) {
        entry.waiting.push_back({after, std::move(done)});
        return;
      }
    }
    done({});
  }
  void find_message(MailboxId id, const std::string& name, Completion<MessageMeta> done) override {
    find(
        id, [name](const MessageMeta& meta) { return meta.file_name == name; }, std::move(done));
  }
  void find_message(MailboxId id, Uid uid, Completion<MessageMeta> done) override {
    find(
        id, [uid](const MessageMeta& meta) { return meta.uid == uid; }, std::move(done));
  }
  void details(MailboxId, Uid, Completion<sync::MessageDetails> done) override {
    count(&Calls::details);
    answer([this, done = std::move(done)] { done(locked_copy(details_)); });
  }
  void open(MailboxId id, Uid uid, Completion<std::shared_ptr<sync::Body>> done) override {
    count(&Calls::open_body);
    answer([this, id, uid, done = std::move(done)] {
      const auto proof = locked_copy(proof_);
      if (!proof) return done(body(id, uid));
      proof->when_given([this, id, uid, done] { done(body(id, uid)); });
    });
  }
  void open_at(MailboxId id, Uid uid, std::uint64_t, std::size_t,
               Completion<std::shared_ptr<sync::Body>> done) override {
    count(&Calls::open_body);
    answer([this, id, uid, done = std::move(done)] { done(body(id, uid)); });
  }
  [[nodiscard]] bool can_wait(MailboxId id, Uid uid) const override {
    const std::lock_guard guard(mutex_);
    const auto found = mailboxes_.find(id);
    return bodies_can_wait_ && found != mailboxes_.end() && found->second.table->find(uid).has_value();
  }
  static constexpr std::uint32_t default_validity = 77;

 protected:
  struct Waiting {
    Uid after;
    Completion<void> done;
  };
  static mime::NameTemplate default_names() { return *mime::NameTemplate::parse(mime::NameTemplate::default_text); }
  struct Mailbox {
    std::shared_ptr<sync::WritableMessageTable> table = std::make_shared<sync::WritableMessageTable>(default_names());
    std::vector<MessageMeta> unlisted;
    std::map<std::uint32_t, std::pair<std::string, bool>> bodies;
    std::vector<Waiting> waiting;
  };

  static bool has_rows(const sync::MessageTable& table, Uid after) {
    return table.complete() || table.visit_after(after, 1, [](const auto&) { return true; }).rows > 0;
  }
  /// As the real account: the exact length is in the table before the open completes.
  Result<std::shared_ptr<sync::Body>> body(MailboxId id, Uid uid) {
    const std::lock_guard guard(mutex_);
    auto& entry = mailboxes_[id];
    const auto found = entry.bodies.find(uid.value);
    if (found == entry.bodies.end())
      return fail(ENOENT, Scope::message, Retry::never, "the server has no such message");
    const auto set_exact_size = [table = entry.table, uid, size = found->second.first.size()] {
      table->set_exact_size(uid, size);
    };
    if (!proof_) set_exact_size();
    if (proof_) proof_->when_given(set_exact_size);
    return std::make_shared<FakeBody>(found->second.first, found->second.second, proof_);
  }
  template <class Predicate>
  void find(MailboxId id, Predicate predicate, Completion<MessageMeta> done) {
    count(&Calls::find_message);
    answer([this, id, predicate, done = std::move(done)] {
      Result<MessageMeta> result = fail(ENOENT, Scope::message, Retry::never, "not on the server");
      {
        const std::lock_guard guard(mutex_);
        for (const auto& meta : mailboxes_[id].unlisted) {
          if (predicate(meta)) result = meta;
        }
      }
      done(std::move(result));
    });
  }
  template <class T>
  T locked_copy(const T& value) const {
    const std::lock_guard guard(mutex_);
    return value;
  }
  void answer(Job job) {
    {
      const std::lock_guard guard(mutex_);
      if (holding_) return held_.push_back(std::move(job));
    }
    job();
  }
  void count(int Calls::*call) {
    const std::lock_guard guard(mutex_);
    ++(calls_.*call);
  }
  [[nodiscard]] MailboxId id_locked(const Path& path) const {
    const auto* node = tree_->find_path(path);
    return node ? node->id : MailboxId{0};
  }
  Mailbox& mailbox(MailboxId id) {
    const std::lock_guard guard(mutex_);
    return mailboxes_[id];
  }

  const std::string account_name_ = "anna@mail.example.org";
  const mime::NameTemplate names_;
  mutable std::mutex mutex_;
  std::shared_ptr<const sync::MailboxTree> tree_;
  std::vector<Path> paths_;
  std::map<MailboxId, Mailbox> mailboxes_;
  std::map<MailboxId, sync::DirectoryTime> times_;
  sync::MessageDetails details_;
  bool bodies_can_wait_ = false;
  bool holding_ = false;
  std::shared_ptr<LengthProof> proof_;
  std::vector<Job> held_;
  Calls calls_;
};

}  // namespace imapfs::testing
