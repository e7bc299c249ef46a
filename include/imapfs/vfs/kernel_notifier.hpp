#pragma once
// How the kernel is told of changes. Declared here, implemented by fuse/, called by ChangePublisher on sync's threads.
//
// No call blocks: a notification that waits for the kernel can wait for a request that waits for us, so implementations
// queue for the notifier thread. When their bounded queue is full they
// may merge changes of a directory into one directory_forgotten(). Calls for one directory arrive in the order of the
// changes.

#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class KernelNotifier {
 public:
  virtual ~KernelNotifier() = default;

  struct EntryChange {
    NodeId parent;
    /// The parent's path below the mount point, without slashes at its ends; empty for the root.
    std::string directory;
    std::string name;
    NodeId node;
    bool is_directory = false;
    /// Raise inotify events for it (Filesystem::begin_announcement): a user has seen the directory.
    bool announce = false;
    SteadyClock::time_point received;  ///< when the server's line came in
  };

  /// The name exists now: the directory's cached listing and attributes are out of date.
  virtual void entry_added(const EntryChange& change) = 0;
  /// The name is gone: so are its entry, the cached listing and the attributes. A UID never comes back.
  virtual void entry_removed(const EntryChange& change) = 0;
  /// Size or times differ. The pages are still right.
  virtual void attributes_changed(NodeId node) = 0;
  /// Size or times differ, and the kernel asks for them again from the moment this returns. Never waits for anybody.
  virtual void forget_attributes(NodeId node) { attributes_changed(node); }
  /// The file's bytes are others than before, too: a file written here with LF that the server keeps with CRLF. One
  /// that keeps no pages may take it as a change of attributes.
  virtual void content_changed(NodeId node) { attributes_changed(node); }
  /// Only the cached listing and the attributes of the directory are out of date; every known entry is still right.
  virtual void directory_changed(NodeId directory) = 0;
  /// Any entry of the directory may be wrong: forget all of them. `change.parent` and `change.name` say where the
  /// directory itself hangs: invalidating that entry drops everything below it.
  virtual void directory_forgotten(const EntryChange& change) = 0;
};

}  // namespace imapfs::vfs
