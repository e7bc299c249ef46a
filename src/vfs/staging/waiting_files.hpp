#pragma once
// All staged files that wait for something: whoever waits for everything, and what .imapfs/status tells of them.
//
// Thread "staging"; no state.

#include <nlohmann/json_fwd.hpp>

#include "vfs/staging/temporary_files.hpp"
#include "vfs/staging/unfinished_files.hpp"

namespace imapfs::vfs {

class WaitingFiles {
 public:
  struct Dependencies {
    StagedFiles& files;
    DrainWaiters& waiters;
    const FileStages& stages;
    const FilePlaces& places;
    const UploadQueue& queue;
    const TemporaryFiles& temporary;
    const UnfinishedFiles& unfinished;
  };
  explicit WaitingFiles(const Dependencies& dependencies) : use_(dependencies) {}

  /// Waits for uploads that are under way or queued, and uploads closed files with temporary names that nobody renames.
  /// The first failure, told once for a file that is no Internet message.
  void drain(const Reply<void>& reply) const;
  /// How many files are what, and which ones wait.
  [[nodiscard]] nlohmann::json describe() const;

 private:
  const Dependencies use_;
};

}  // namespace imapfs::vfs
