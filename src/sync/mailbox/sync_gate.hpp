#pragma once
// Lets in one sync at a time per mailbox, and keeps everybody who waits for its end or for its first rows.
//
// finish() and wake() call completions on their caller's thread, without a lock. Any thread.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

class SyncGate {
 public:
  /// Registers `done` (may be empty) for the end of the running sync. True: none was running, and the caller must start
  /// one now.
  [[nodiscard]] bool join(Completion<void> done);
  /// As join(), but completes `done` as soon as `table` is complete or has a row beyond `after` within its frontier.
  [[nodiscard]] bool join_for_rows(Uid after, const MessageTable& table, Completion<void> done);
  /// True if no sync was running and the caller now holds the gate.
  [[nodiscard]] bool try_enter();
  /// The running sync may miss something: another must follow. False if none is running.
  bool ask_again();

  /// Completes those whose rows have come.
  void wake(const MessageTable& table);
  /// Ends the sync. Returns whether another one was requested.
  bool finish(const Result<void>& result);

  [[nodiscard]] bool running() const;
  /// Whether somebody waits for the running or starting sync. Shared with the pool, which then tries sooner to connect.
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

/// Whether the table is complete, or visit_after() would find a row.
[[nodiscard]] bool has_rows_beyond(const MessageTable& table, Uid after);

}  // namespace imapfs::sync
