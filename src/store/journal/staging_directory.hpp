#pragma once
// The directory that holds the bytes of staged files: one file each, named by the id in decimal. Makes all its system
// calls.
//
// It never follows a link in the directory and never overwrites a file. Errors: system errors with the path. Threads:
// any; its only state is its descriptor.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::store {

class StagingDirectory {
 public:
  /// Creates the directory (0700) if it is missing. EACCES if it is not a directory of ours.
  static Result<std::unique_ptr<StagingDirectory>> open(const std::string& path);
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  [[nodiscard]] std::string path_of(StagedId id) const;
  /// Creates an empty file (0600); EEXIST if there is one already.
  Result<void> create(StagedId id);
  /// Moves a file here from another staging directory. A missing file has been moved already.
  Result<void> take(StagingDirectory& other, StagedId from, StagedId to);
  /// Removes a file; a missing one is no error. A file that is empty and that nobody has open is kept aside for
  /// create(): each copy made by the server leaves one, and on some file systems creating and removing a thousand files
  /// takes longer than everything else.
  Result<void> remove(StagedId id);

  struct Entry {
    StagedId id;
    std::uint64_t size = 0;
    UnixTime changed_at = 0;
  };
  /// In order of id. Skips names of another form and what is no regular file: they are not ours.
  Result<std::vector<Entry>> entries() const;
  /// fsync of the directory: makes the list of files durable.
  Result<void> sync();

 private:
  [[nodiscard]] bool set_aside(const std::string& name) const;

  StagingDirectory(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_;
};

}  // namespace imapfs::store
