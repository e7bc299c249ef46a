#pragma once
// What has not reached the server yet, for whoever lists it, waits for it or starts with it.
//
// All methods from any thread; those with a reply become jobs of the thread "staging".

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vfs/staging/staging_recovery.hpp"
#include "vfs/staging/staging_thread.hpp"
#include "vfs/staging/waiting_files.hpp"

namespace imapfs::vfs {

/// A file in .imapfs/outbox.
struct OutboxEntry {
  NodeId node;
  std::string name;  ///< unique: the id, a dash, the file's name
  StagedStatus status;
};

class StagingOutbox {
 public:
  struct Dependencies {
    StagingThread& thread;
    const Outbox& outbox;
    const WaitingFiles& waiting;
    const StagingRecovery& recovery;
  };
  explicit StagingOutbox(const Dependencies& dependencies) : use_(dependencies) {}

  /// Takes over what an earlier process left. Once, before anything else is asked.
  void recover();
  [[nodiscard]] std::vector<OutboxEntry> files() const;
  /// EIO with their names if the outbox holds files that were to go to this mailbox (0: to any).
  [[nodiscard]] Result<void> check(MailboxId mailbox) const { return use_.outbox.check(mailbox); }
  /// Waits for uploads that are under way or queued, and uploads closed files with temporary names that nobody renames.
  void drain(Reply<void> reply);
  /// For .imapfs/status: how many files are what, and which ones wait.
  void describe(Completion<nlohmann::json> done);

 private:
  const Dependencies use_;
};

}  // namespace imapfs::vfs
