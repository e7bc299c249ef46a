#pragma once
// One sync at a time per mailbox, and everybody who waits for it or for its first rows.
//
// Completions are called by finish() and wake(), on their caller's thread, with no lock held. Any thread.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

class SyncGate {
 public:
  /// Registers `done` (may be empty) for the end of the running sync, or of the one that the caller must start now
  /// when true is returned.
  [[nodiscard]] bool join(Completion<void> done);
  /// As join(), but `done` is completed as soon as `table` has a row beyond `after` within its frontier, or is
  /// complete.
  [[nodiscard]] bool join_for_rows(Uid after, const MessageTable& table, Completion<void> done);
  /// True if no sync was running and the caller now holds the gate.
  [[nodiscard]] bool try_enter();
  /// The running sync does not show everything: another must follow. False if none is running.
  bool ask_again();

  /// Completes those whose rows have come.
  void wake(const MessageTable& table);
  /// Ends the sync. Returns whether another one was asked for.
  bool finish(const Result<void>& result);

  [[nodiscard]] bool running() const;
  /// Whether somebody waits for the sync that is running or about to be: shared with the pool, which does not wait long
  /// for the next connection attempt then.
  [[nodiscard]] std::shared_ptr<const std::atomic<bool>> awaited() const { return awaited_; }

 private:
  struct RowWaiter {
    Uid after;
    Completion<void> done;
  };
  const std::shared_ptr<std::atomic<bool>> awaited_ = std::make_shared<std::atomic<bool>>(false);
  mutable std::mutex mutex_;
  bool running_ = false;
  bool again_ = false;
  std::vector<Completion<void>> waiting_;
  std::vector<RowWaiter> waiting_for_rows_;
};

/// Whether visit_after() would find a row, or the table is complete.
[[nodiscard]] bool has_rows_beyond(const MessageTable& table, Uid after);

}  // namespace imapfs::sync
