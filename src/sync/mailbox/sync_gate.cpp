#include "sync/mailbox/sync_gate.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {

bool has_rows_beyond(const MessageTable& table, Uid after) {
  if (table.complete()) return true;
  return table.visit_after(after, 1, [](const MessageTable::RowView&) { return true; }).rows > 0;
}

bool SyncGate::join(Completion<void> done) {
  const std::lock_guard guard(mutex_);
  if (done) {
    waiting_.push_back(std::move(done));
    *awaited_ = true;
  }
  return !std::exchange(running_, true);
}

bool SyncGate::join_for_rows(Uid after, const MessageTable& table, Completion<void> done) {
  bool must_start = false;
  {
    const std::lock_guard guard(mutex_);
    waiting_for_rows_.push_back({after, std::move(done)});
    *awaited_ = true;
    must_start = !std::exchange(running_, true);
  }
  wake(table);
  return must_start;
}

bool SyncGate::try_enter() {
  const std::lock_guard guard(mutex_);
  return !std::exchange(running_, true);
}

bool SyncGate::ask_again() {
  const std::lock_guard guard(mutex_);
  if (!running_) return false;
  again_ = true;
  return true;
}

void SyncGate::wake(const MessageTable& table) {
  std::vector<RowWaiter> ready;
  {
    const std::lock_guard guard(mutex_);
    const auto waiting = std::partition(waiting_for_rows_.begin(), waiting_for_rows_.end(),
                                        [&](const RowWaiter& waiter) { return !has_rows_beyond(table, waiter.after); });
    std::move(waiting, waiting_for_rows_.end(), std::back_inserter(ready));
    waiting_for_rows_.erase(waiting, waiting_for_rows_.end());
  }
  for (const auto& waiter : ready) waiter.done({});
}

bool SyncGate::finish(const Result<void>& result) {
  std::vector<Completion<void>> ended;
  bool again = false;
  {
    const std::lock_guard guard(mutex_);
    running_ = false;
    *awaited_ = false;
    again = std::exchange(again_, false);
    ended = std::exchange(waiting_, {});
    for (auto& waiter : waiting_for_rows_) ended.push_back(std::move(waiter.done));
    waiting_for_rows_.clear();
  }
  for (const auto& done : ended) done(result);
  return again;
}

bool SyncGate::running() const {
  const std::lock_guard guard(mutex_);
  return running_;
}

}  // namespace imapfs::sync
