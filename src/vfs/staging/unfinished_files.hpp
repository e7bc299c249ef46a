#pragma once
// Files that are closed before they are whole. Restore tools write the parts of a file in any order, from several
// threads, and close it in between; what is missing is known from what was written and for what room was made, not from
// the content.
//
// Thread "staging"; no state but what is noted in the files.

#include <chrono>

#include "vfs/staging/content_loader.hpp"
#include "vfs/staging/refused_files.hpp"

namespace imapfs::vfs {

class UnfinishedFiles {
 public:
  struct Dependencies {
    StagedFiles& files;
    DrainWaiters& waiters;
    const FileStages& stages;
    const FilePlaces& places;
    const UploadDestinations& destinations;
    const ContentLoader& loader;
    const RefusedFiles& refused;
    StagingThread& thread;
    std::chrono::seconds patience;  ///< Settings::rest_patience
  };
  explicit UnfinishedFiles(const Dependencies& dependencies) : use_(dependencies) {}

  [[nodiscard]] static bool is_unfinished(const StagedFile& file);
  /// Whether a flush by `handle` may come before the rest of the file.
  [[nodiscard]] bool expects_more(StagedFile& file, HandleId handle) const;
  /// Closed, and its rest is missing: nobody is about to write it.
  [[nodiscard]] std::optional<Error> left_unfinished(const StagedFile& file) const;
  /// Nobody has it open, and it is not whole: whoever writes the rest opens it by its name, which it keeps meanwhile.
  void await_rest(const StagedFilePtr& file) const;

 private:
  void give_up_rest(const StagedFilePtr& file) const;

  const Dependencies use_;
};

}  // namespace imapfs::vfs
