#pragma once
// A rename that uploads: the reply waits for the server's word until the caller's answer_by; then the file is queued
// under its new name, and what becomes of it is told as of all that is queued.
//
// When the upload fails before that, the file keeps its old name and place. Thread "staging"; no state but that of the
// renames under way.

#include <memory>
#include <optional>

#include "vfs/staging/upload_queue.hpp"

namespace imapfs::vfs {

class RenamingUpload {
 public:
  struct Dependencies {
    Outbox& outbox;
    ShownFiles& shown;
    const FilePlaces& places;
    const ContentLoader& loader;
    const Uploader& uploader;
    const UploadQueue& queue;
    const RefusedFiles& refused;
    const StagedNews& kernel;
    StagingThread& thread;
  };
  /// One rename under way.
  struct Rename {
    StagedFilePtr file;
    UploadDestination destination;
    std::optional<OriginalMessage> replaced;
    std::optional<DisplacedMessage> displaced_before;  ///< of the file under its old name
    Reply<void> reply;
    bool answered = false;
  };
  explicit RenamingUpload(const Dependencies& dependencies) : use_(dependencies) {}

  void start(const Caller& caller, Rename rename) const;

 private:
  void ended(const Rename& rename, const Result<sync::Arrival>& arrived) const;
  void keep_old_name(const Rename& rename) const;
  void answer_early(Rename& rename) const;
  [[nodiscard]] Result<void> queue(const Rename& rename) const;
  [[nodiscard]] Outbox::Row queued_row(const Rename& rename) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
