#pragma once
// Closed files whose names are temporary: each waits for the name that its tool will give it. Where nobody does, it is
// uploaded under the name that it has, unless it is no Internet message; an editor's backup of a file beside it, and
// what is in a local directory, stay here.
//
// Thread "staging"; no state but what is noted in the files.

#include <chrono>

#include "vfs/staging/upload_queue.hpp"

namespace imapfs::vfs {

class TemporaryFiles {
 public:
  struct Dependencies {
    Outbox& outbox;
    StagedFiles& files;
    DrainWaiters& waiters;
    const FileStages& stages;
    const FilePlaces& places;
    const ContentLoader& loader;
    const UploadQueue& queue;
    StagingThread& thread;
    /// How long a closed file may keep its name before it is uploaded under it, and how long if somebody waits for
    /// everything.
    std::chrono::milliseconds patience;
    std::chrono::milliseconds grace;
  };
  explicit TemporaryFiles(const Dependencies& dependencies) : use_(dependencies) {}

  /// Of a file that nobody has open any more.
  void await_name(const StagedFilePtr& file) const;
  /// Somebody waits for everything, and so for this file: its name has less time to come.
  void hurry(const StagedFilePtr& file) const;

 private:
  void keep_local(StagedFile& file) const;
  void look_at_name(NodeId node, SteadyClock::duration age) const;
  void take_name_as_final(const StagedFilePtr& file) const;
  void keep_as_no_mail(StagedFile& file, const Error& error) const;
  void tell_of_no_mail(StagedFile& file) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
