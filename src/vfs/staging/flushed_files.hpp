#pragma once
// close(2) and fsync(2) of staged files: a file that was written is uploaded at the flush by the process that opened
// it, and whoever closes it gets the server's word.
//
// Not uploaded are empty files, those with temporary names, in local directories or without a name, and those that are
// closed before all of them was written. What a writer leaves who was killed (Caller::killed) is a part. Thread
// "staging"; no state.

#include "vfs/staging/unfinished_files.hpp"
#include "vfs/staging/uploader.hpp"

namespace imapfs::vfs {

class FlushedFiles {
 public:
  struct Dependencies {
    Outbox& outbox;
    StagedFiles& files;
    const FileStages& stages;
    const OriginalMessages& originals;
    const UploadDestinations& destinations;
    const ContentLoader& loader;
    const Uploader& uploader;
    const RefusedFiles& refused;
    const UnfinishedFiles& unfinished;
    const StagedNews& kernel;
  };
  explicit FlushedFiles(const Dependencies& dependencies) : use_(dependencies) {}

  /// Never fails for a handle through which nothing was written: nobody expects close(2) to do so.
  void flush(const Caller& caller, NodeId node, HandleId handle, const Reply<void>& reply) const;
  void fsync(NodeId node, const Reply<void>& reply) const;

 private:
  [[nodiscard]] static bool is_by_its_writer(const Caller& caller, OpenHandles::Open& open);
  void flush_killed(const StagedFilePtr& file, HandleId handle, const Reply<void>& reply) const;
  void flush_written(const StagedFilePtr& file, HandleId handle, const Reply<void>& reply) const;
  void upload(const StagedFilePtr& file, const Reply<void>& reply) const;
  void upload_idle(const StagedFilePtr& file, const Reply<void>& reply) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
