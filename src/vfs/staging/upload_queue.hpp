#pragma once
// Uploads that nobody waits for: tried until the server takes them or refuses them for good, across restarts too.
//
// Thread "staging"; the queue is what the files and their rows say (Outbox::State::queued).

#include "vfs/news/event_log.hpp"
#include "vfs/staging/refused_files.hpp"
#include "vfs/staging/uploader.hpp"

namespace imapfs::vfs {

class UploadQueue {
 public:
  struct Dependencies {
    EventLog& events;
    Outbox& outbox;
    StagedFiles& files;
    DrainWaiters& waiters;
    const FilePlaces& places;
    const OriginalMessages& originals;
    const UploadDestinations& destinations;
    const Uploader& uploader;
    const RefusedFiles& refused;
    StagingThread& thread;
  };
  explicit UploadQueue(const Dependencies& dependencies) : use_(dependencies) {}

  /// From here on the file is promised.
  void add(const StagedFilePtr& file) const;
  /// Uploads a queued file as soon as it is idle.
  void attempt(const StagedFilePtr& file) const;
  /// How an attempt has ended.
  void ended(const StagedFilePtr& file, const UploadDestination& destination,
             const Result<sync::Arrival>& arrived) const;

 private:
  void attempt_idle(const StagedFilePtr& file) const;
  void try_again_later(const StagedFilePtr& file, const Error& error) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
