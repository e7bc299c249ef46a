#pragma once
// A copy within the mount, made by the server: a whole message into a new, empty file that is open. The file becomes a
// pending copy, and the message when the server has made it.
//
// EXDEV where that is not what is asked for: cp copies bytes then, without a word. Thread "staging"; no state.

#include <cstddef>

#include "vfs/staging/file_stages.hpp"
#include "vfs/staging/staged_files.hpp"
#include "vfs/staging/staged_news.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

/// A message to be copied, which may still be on its way to where it is listed.
struct CopySource {
  sync::ChangeSource change_source;  ///< its message: where the bytes can be read
  MessageMeta meta;
};

class ServerCopy {
 public:
  struct Dependencies {
    sync::MessageChanger& changes;
    LocalEntries& entries;
    Outbox& outbox;
    StagedFiles& files;
    ShownFiles& shown;
    const FileStages& stages;
    const StagedNews& kernel;
    StagingThread& thread;
  };
  explicit ServerCopy(const Dependencies& dependencies) : use_(dependencies) {}

  void copy(const CopyRangeRequest& request, const CopySource& source, const Reply<std::size_t>& reply) const;

 private:
  [[nodiscard]] bool can_copy(const CopyRangeRequest& request, const CopySource& source,
                              const StagedFile& target) const;
  void accepted(StagedFile& file, const CopySource& source, sync::ChangeId change) const;
  void finished(const StagedFilePtr& file, const CopySource& source, const Result<sync::Arrival>& arrived) const;
  void show_copy(StagedFile& file, const CopySource& source, const sync::Arrival& arrival) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
