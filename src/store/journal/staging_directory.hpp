#pragma once
// The directory that holds the bytes of staged files, one per file, named by the id in decimal. All of its system
// calls.
//
// Nothing in it is ever followed if it is a link, and nothing is overwritten. Errors: system errors with the path.
// Threads: any; it has no state but its descriptor.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::store {

class StagingDirectory {
 public:
  /// Creates it (0700) if it is missing. EACCES if it is not a directory of ours.
  static Result<std::unique_ptr<StagingDirectory>> open(const std::string& path);
  ~StagingDirectory();
  StagingDirectory(const StagingDirectory&) = delete;
  StagingDirectory& operator=(const StagingDirectory&) = delete;

  [[nodiscard]] std::string path_of(StagedId id) const;
  /// An empty file (0600); EEXIST if there is one.
  Result<void> create(StagedId id);
  /// Takes a file out of another staging directory; one that is not there has been taken already.
  Result<void> take(StagingDirectory& other, StagedId from, StagedId to);
  /// A file that is not there is removed already. One that is empty and that nobody has open is kept aside for
  /// create(): a copy made by the server leaves one, and to make and remove a thousand files takes some file systems
  /// longer than all the rest.
  Result<void> remove(StagedId id);

  struct Entry {
    StagedId id;
    std::uint64_t size = 0;
    UnixTime changed_at = 0;
  };
  /// In order of id. What has another kind of name, or is no regular file, is not ours.
  Result<std::vector<Entry>> entries() const;
  /// fsync of the directory: which files there are.
  Result<void> sync();

 private:
  [[nodiscard]] bool set_aside(const std::string& name) const;

  StagingDirectory(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_;
};

}  // namespace imapfs::store
