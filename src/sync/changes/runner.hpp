#pragma once
// Carries out what is in the queue: takes the batches that are ready, gives each to the pool, and puts back or records
// what has become of it.
//
// On the thread "journal", which alone touches its state, but dispatch_when_gathered(), which any may call.

#include <functional>
#include <memory>
#include <vector>

#include "sync/changes/batch.hpp"
#include "sync/changes/batch_outcome.hpp"
#include "sync/changes/change_recorder.hpp"

namespace imapfs::sync {

class Runner {
 public:
  struct Dependencies {
    ChangeThread& thread;
    DispatchTimer& timer;
    SharedChangeTable& table;
    const Locations& locations;
    const ChangeWaiters& waiters;
    ChangeRecorder& recorder;
    store::Journal& journal;
    const CommandDependencies& commands;
    std::function<void(imap::PoolJob)> submit;
    /// When the stored rows of the mailbox are in its table.
    std::function<void(const MailboxPointer&, Job)> with_rows;
    bool write_behind;
  };
  explicit Runner(Dependencies dependencies);

  /// Everything that is ready.
  void dispatch();
  /// Soon; a change that nobody waits for may wait for company first.
  void dispatch_when_gathered();
  /// There is a connection: nothing waits for the end of its pause.
  void on_online();

 private:
  void start_batch(const std::vector<ChangeId>& ids);
  [[nodiscard]] ChangeBatch::Contents contents_of(const std::vector<ChangeId>& ids);
  void submit_batch(const std::shared_ptr<ChangeBatch>& batch);
  void batch_ended(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result);
  void note_descriptions(const ChangeBatch& batch);

  const Dependencies dependencies_;
  BatchOutcome outcome_;
};

}  // namespace imapfs::sync
