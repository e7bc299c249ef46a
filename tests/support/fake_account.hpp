#pragma once
// sync::Account without a server, put together from fakes over one tree and its tables. What the real account would
// fetch, the test can hold back and let come when it likes; so it can with changes. Thread-safe; completions run with
// no lock held.

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "awaited_rows.hpp"
#include "fake_arrivals.hpp"
#include "fake_body_reader.hpp"
#include "fake_mailbox_changer.hpp"
#include "fake_mailbox_reader.hpp"
#include "fake_message_changer.hpp"
#include "fake_network.hpp"
#include "fake_tables.hpp"
#include "fake_tree.hpp"
#include "imapfs/sync/account.hpp"

namespace imapfs::testing {

class FakeAccount : public sync::Account {
 public:
  static constexpr std::uint32_t default_validity = FakeTables::default_validity;

  explicit FakeAccount(const std::vector<std::string>& mailboxes) : tree_(mailboxes) {}

  // -- what the test arranges --

  /// See FakeTree::replace().
  sync::TreeChange set_mailboxes(const std::vector<std::string>& mailboxes) { return tree_.replace(mailboxes); }
  [[nodiscard]] MailboxId id(const std::string& path) const { return tree_.id(path); }
  [[nodiscard]] AwaitedRows& awaited_rows() { return rows_; }
  [[nodiscard]] FakeArrivals& arrivals() { return arrivals_; }
  [[nodiscard]] FakeNetwork& network() { return network_; }
  void set_usage(Result<sync::Usage> usage) {
    const std::lock_guard guard(mutex_);
    usage_ = std::move(usage);
  }

  // -- Account --

  [[nodiscard]] const std::string& name() const override { return tree_.account_name(); }
  [[nodiscard]] FakeMailboxReader& mailboxes() override { return mailboxes_; }
  [[nodiscard]] const FakeMailboxReader& mailboxes() const override { return mailboxes_; }
  [[nodiscard]] FakeBodyReader& bodies() override { return bodies_; }
  [[nodiscard]] FakeMessageChanger& changes() override { return changes_; }
  [[nodiscard]] FakeMailboxChanger& mailbox_changes() override { return mailbox_changes_; }
  void usage(Completion<sync::Usage> done) override {
    network_.answer([this, done = std::move(done)] {
      std::unique_lock lock(mutex_);
      auto usage = usage_;
      lock.unlock();
      done(std::move(usage));
    });
  }
  [[nodiscard]] nlohmann::json status() const override { return {{"online", true}}; }

 private:
  FakeTree tree_;
  FakeTables tables_;
  FakeNetwork network_;
  AwaitedRows rows_{tables_};
  FakeArrivals arrivals_{tables_, rows_};
  FakeMailboxReader mailboxes_{tree_, tables_, rows_, network_};
  FakeBodyReader bodies_{tree_, tables_, network_};
  FakeMessageChanger changes_{tree_, tables_, arrivals_};
  FakeMailboxChanger mailbox_changes_{tree_, changes_};
  std::mutex mutex_;
  Result<sync::Usage> usage_ = sync::Usage{};
};

}  // namespace imapfs::testing
