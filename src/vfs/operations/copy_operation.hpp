#pragma once
// copy_file_range(2) within the mount: a whole message into an empty new file is a copy on the server, whatever else is
// asked for is EXDEV, on which cp copies bytes without a word.
//
// Any thread; never blocks, replies with no lock held.

#include "vfs/staging/staging.hpp"
#include "vfs/views/view_dependencies.hpp"

namespace imapfs::vfs {

class CopyOperation {
 public:
  explicit CopyOperation(const ViewDependencies& dependencies) : dependencies_(dependencies) {}

  /// Where something can be written.
  void copy(const CopyRangeRequest& request, Reply<std::size_t> reply);

 private:
  const ViewDependencies dependencies_;
};

}  // namespace imapfs::vfs
