#pragma once
// Which staged files there are, by the node that the kernel knows, and whose turn it is with each of them: one
// operation at a time, in the order they came.
//
// Thread "staging"; no lock. A job may end the file it runs for.

#include <functional>
#include <map>

#include "vfs/staging/drain_waiters.hpp"
#include "vfs/staging/shown_files.hpp"
#include "vfs/staging/staged_file.hpp"
#include "vfs/staging/staging_limits.hpp"

namespace imapfs::vfs {

class StagedFiles {
 public:
  struct Dependencies {
    Outbox& outbox;
    StagingLimits& limits;
    ShownFiles& shown;
    DrainWaiters& waiters;
    /// Called when nobody has a file open and nothing is going on with it.
    std::function<void(const StagedFilePtr&)> unused;
  };
  explicit StagedFiles(Dependencies dependencies) : use_(std::move(dependencies)) {}

  /// Null if there is none.
  [[nodiscard]] StagedFilePtr find(NodeId node) const;
  [[nodiscard]] const std::map<NodeId, StagedFilePtr>& all() const { return files_; }
  void add(const StagedFilePtr& file);
  /// The file has another node from here on.
  void move(const StagedFilePtr& file, NodeId node);
  /// Forgets it: row, bytes, place in the limit.
  void drop(const StagedFilePtr& file);

  /// Runs `job` when the file is not busy: at once, or after those that wait.
  void when_idle(const StagedFilePtr& file, Job job);
  /// The file is not busy any more: whoever waits goes on.
  void go_on(const StagedFilePtr& file);
  /// To be called when a file may have become unused.
  void look_whether_unused(const StagedFilePtr& file);

 private:
  [[nodiscard]] bool is_known(const StagedFilePtr& file) const;

  const Dependencies use_;
  std::map<NodeId, StagedFilePtr> files_;
};

}  // namespace imapfs::vfs
