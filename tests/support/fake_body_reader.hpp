#pragma once
// sync::BodyReader without a server: bodies from strings. They come when the network lets them, and their lengths are
// proved when the test likes. Thread-safe; completions run with no lock held.

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "fake_body.hpp"
#include "fake_network.hpp"
#include "fake_tables.hpp"
#include "fake_tree.hpp"
#include "imapfs/sync/body_reader.hpp"

namespace imapfs::testing {

class FakeBodyReader : public sync::BodyReader {
 public:
  /// They outlive it.
  FakeBodyReader(FakeTree& tree, FakeTables& tables, FakeNetwork& network)
      : tree_(tree), tables_(tables), network_(network) {}

  // -- what the test arranges --

  void set_body(const std::string& path, std::uint32_t uid, std::string text, bool whole = true) {
    tables_.set_body(tree_.id(path), Uid{uid}, {std::move(text), whole});
  }
  void remove_body(const std::string& path, std::uint32_t uid) { tables_.remove_body(tree_.id(path), Uid{uid}); }
  /// Empty: there is none.
  [[nodiscard]] std::string body_text(const std::string& path, std::uint32_t uid) const {
    const auto body = tables_.body(tree_.id(path), Uid{uid});
    return body ? body->text : std::string();
  }
  /// From here on bodies can be read below `told` before their length is proved by prove_lengths().
  void withhold_lengths(std::uint64_t told) {
    const std::lock_guard guard(mutex_);
    proof_ = std::make_shared<LengthProof>(told);
  }
  void prove_lengths() { proof()->give(); }
  /// From now on no body is at hand, and the sizes of messages that have a row are to be trusted.
  void let_bodies_wait(bool wait = true) {
    const std::lock_guard guard(mutex_);
    can_wait_ = wait;
  }
  /// How often a body was opened, in either way.
  [[nodiscard]] int opened() const {
    const std::lock_guard guard(mutex_);
    return opened_;
  }

  // -- BodyReader --

  void open(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<sync::Body>> done) override {
    count();
    network_.answer([this, mailbox, uid, done = std::move(done)] {
      const auto lengths = proof();
      if (!lengths) return done(body(mailbox, uid));
      lengths->when_given([this, mailbox, uid, done] { done(body(mailbox, uid)); });
    });
  }
  void open_at(MailboxId mailbox, Uid uid, std::uint64_t, std::size_t,
               Completion<std::shared_ptr<sync::Body>> done) override {
    count();
    network_.answer([this, mailbox, uid, done = std::move(done)] { done(body(mailbox, uid)); });
  }
  [[nodiscard]] bool can_wait(MailboxId mailbox, Uid uid) const override {
    const std::lock_guard guard(mutex_);
    return can_wait_ && tables_.table(mailbox)->find(uid).has_value();
  }

 private:
  /// As the real account: the exact length is in the table before the open completes.
  Result<std::shared_ptr<sync::Body>> body(MailboxId mailbox, Uid uid) {
    const auto found = tables_.body(mailbox, uid);
    if (!found) return fail(ENOENT, Scope::message, Retry::never, "the server has no such message");
    const auto set_exact_size = [table = tables_.table(mailbox), uid, size = found->text.size()] {
      table->set_exact_size(uid, size);
    };
    const auto lengths = proof();
    lengths ? lengths->when_given(set_exact_size) : set_exact_size();
    return std::make_shared<FakeBody>(found->text, found->whole, lengths);
  }
  /// Null: lengths are told with the body.
  [[nodiscard]] std::shared_ptr<LengthProof> proof() const {
    const std::lock_guard guard(mutex_);
    return proof_;
  }
  void count() {
    const std::lock_guard guard(mutex_);
    ++opened_;
  }

  FakeTree& tree_;
  FakeTables& tables_;
  FakeNetwork& network_;
  mutable std::mutex mutex_;
  std::shared_ptr<LengthProof> proof_;
  bool can_wait_ = false;
  int opened_ = 0;
};

}  // namespace imapfs::testing
