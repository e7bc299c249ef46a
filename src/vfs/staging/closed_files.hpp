#pragma once
// What becomes of a staged file that nobody has open and with which nothing is going on: it is uploaded, waits for its
// name or its rest, goes to the outbox, or is forgotten because the server has what it holds.
//
// Thread "staging"; no state.

#include "vfs/staging/recent_uploads.hpp"
#include "vfs/staging/temporary_files.hpp"
#include "vfs/staging/unfinished_files.hpp"

namespace imapfs::vfs {

class ClosedFiles {
 public:
  struct Dependencies {
    StagedFiles& files;
    ShownFiles& shown;
    const FileStages& stages;
    const FilePlaces& places;
    const OriginalMessages& originals;
    const RefusedFiles& refused;
    const UploadQueue& queue;
    const TemporaryFiles& temporary;
    const UnfinishedFiles& unfinished;
    RecentUploads& recent;
    const StagedNews& kernel;
  };
  explicit ClosedFiles(const Dependencies& dependencies) : use_(dependencies) {}

  void dispose(const StagedFilePtr& file) const;

 private:
  void upload(const StagedFilePtr& file) const;
  void return_to_message(const StagedFilePtr& file) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
