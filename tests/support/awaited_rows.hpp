#pragma once
// Who waits for rows of a fake account's tables. Thread-safe; completions run with no lock held.

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "fake_tables.hpp"
#include "imapfs/base/executor.hpp"

namespace imapfs::testing {

class AwaitedRows {
 public:
  /// `tables` outlives it.
  explicit AwaitedRows(FakeTables& tables) : tables_(tables) {}

  /// Completes when the table has a row beyond `after`, or is complete; within the call, or in wake().
  void await(MailboxId mailbox, Uid after, Completion<void> done) {
    {
      const std::lock_guard guard(mutex_);
      if (!has_rows(*tables_.table(mailbox), after)) {
        waiting_[mailbox].push_back({after, std::move(done)});
        return;
      }
    }
    done({});
  }
  /// Those whose rows have come, or who wait for a complete table, go on.
  void wake(MailboxId mailbox) {
    std::vector<Waiting> ready;
    {
      const std::lock_guard guard(mutex_);
      const auto table = tables_.table(mailbox);
      auto& all = waiting_[mailbox];
      const auto rest = std::stable_partition(all.begin(), all.end(),
                                              [&](const Waiting& one) { return !has_rows(*table, one.after); });
      std::move(rest, all.end(), std::back_inserter(ready));
      all.erase(rest, all.end());
    }
    for (auto& one : ready) one.done({});
  }
  /// The sync of a mailbox has failed: whoever waits for rows gets the error.
  void fail(MailboxId mailbox, const Error& error) {
    std::vector<Waiting> failed;
    {
      const std::lock_guard guard(mutex_);
      failed = std::exchange(waiting_[mailbox], {});
    }
    for (auto& one : failed) one.done(imapfs::fail(error));
  }

 private:
  struct Waiting {
    Uid after;
    Completion<void> done;
  };
  static bool has_rows(const sync::MessageTable& table, Uid after) {
    return table.complete() || table.visit_after(after, 1, [](const auto&) { return true; }).rows > 0;
  }

  FakeTables& tables_;
  std::mutex mutex_;
  std::map<MailboxId, std::vector<Waiting>> waiting_;
};

}  // namespace imapfs::testing
