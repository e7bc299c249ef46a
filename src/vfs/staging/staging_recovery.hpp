#pragma once
// Takes over what an earlier process left in the staging directory: temporary and unfinished files go to the outbox,
// queued ones are uploaded, local ones and local directories are where they were. Moves and copies that the account
// carries on with are shown at their destinations.
//
// Runs once, at the start, on the thread "staging"; what cannot be read is logged.

#include <map>

#include "vfs/staging/local_directory_rows.hpp"
#include "vfs/staging/upload_queue.hpp"

namespace imapfs::vfs {

class StagingRecovery {
 public:
  struct Dependencies {
    sync::Account& account;
    LocalEntries& entries;
    Outbox& outbox;
    StagedFiles& files;
    StagingLimits& limits;
    ShownFiles& shown;
    DrainWaiters& waiters;
    const FilePlaces& places;
    const LocalDirectoryRows& directories;
    const ContentLoader& loader;
    const UploadQueue& queue;
    const UploadedMessages& uploaded;
    const RefusedFiles& refused;
    const StagedNews& kernel;
    StagingThread& thread;
  };
  explicit StagingRecovery(const Dependencies& dependencies) : use_(dependencies) {}

  void recover() const;

 private:
  using PendingUploads = std::map<sync::StagedId, sync::ChangeId>;

  [[nodiscard]] PendingUploads recover_pending() const;
  void await_arrival(const sync::PendingArrival& arrival) const;
  void arrived(const LocalEntry& entry, const Result<sync::Arrival>& arrived) const;
  void recover_file(const Outbox::Row& row, const PendingUploads& pending) const;
  [[nodiscard]] StagedFilePtr load(const Outbox::Row& row) const;
  /// Where it was. False if its directory is gone: it has a name without one then.
  [[nodiscard]] bool place_in_directory(const StagedFilePtr& file) const;
  void queue(const StagedFilePtr& file) const;
  void await_upload(const StagedFilePtr& file, sync::ChangeId change) const;
  void upload_ended(const StagedFilePtr& file, const Result<sync::Arrival>& arrived) const;
  void to_outbox(StagedFile& file, bool has_mailbox) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
