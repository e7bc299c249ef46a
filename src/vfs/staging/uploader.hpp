#pragma once
// Sends a staged file to the server, once: looks at it, brings its row up to date, and has the account append it.
//
// The file is busy from the call until the completion has returned, which is called exactly once. EINVAL with the
// reason for what is no Internet message or not whole, EFBIG beyond the account's append_limit(), else the account's
// Error. Thread "staging"; no state.

#include "vfs/staging/editor_backups.hpp"
#include "vfs/staging/uploaded_messages.hpp"

namespace imapfs::vfs {

class Uploader {
 public:
  struct Dependencies {
    sync::MessageChanger& changes;
    Outbox& outbox;
    StagedFiles& files;
    DrainWaiters& waiters;
    const FilePlaces& places;
    const ContentLoader& loader;
    const UploadDestinations& destinations;
    const EditorBackups& backups;
    const UploadedMessages& uploaded;
    StagingThread& thread;
  };
  explicit Uploader(const Dependencies& dependencies) : use_(dependencies) {}

  void upload(const StagedFilePtr& file, const UploadDestination& destination,
              const Completion<sync::Arrival>& done) const;
  /// Says in the row where the file is to go and what it is to be.
  void address(Outbox::Row& row, const UploadDestination& destination) const;

 private:
  void upload_to(const StagedFilePtr& file, const UploadDestination& destination, const StagedFilePtr& backup,
                 const Completion<sync::Arrival>& finish) const;
  [[nodiscard]] Result<sync::Upload> prepare(StagedFile& file, const UploadDestination& destination) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
