#include "session_support.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "operations.hpp"

namespace imapfs::fuse {

int SessionChannel::invalidate_directory(vfs::NodeId directory) {
  return fuse_lowlevel_notify_inval_inode(session_, directory.value, 0, 0);
}

int SessionChannel::invalidate_attributes(vfs::NodeId node) {
  return fuse_lowlevel_notify_inval_inode(session_, node.value, -1, 0);
}

int SessionChannel::invalidate_entry(vfs::NodeId parent, const std::string& name) {
  return fuse_lowlevel_notify_inval_entry(session_, parent.value, name.c_str(), name.size());
}

int SessionChannel::remove_entry(vfs::NodeId parent, vfs::NodeId child, const std::string& name) {
  return fuse_lowlevel_notify_delete(session_, parent.value, child.value, name.c_str(), name.size());
}

int SessionChannel::wake_poller(fuse_pollhandle* handle) { return fuse_lowlevel_notify_poll(handle); }

template <class Call>
int MountAnnouncer::on_mount(Call&& call) const {
  // Held for the call only: an open descriptor keeps fusermount3 -u from working.
  const int root = ::open(mountpoint_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno;
  struct statx status {};
  int errnum = ENODEV;
  // The device number alone, which needs no answer of the file system.
  if (::statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 &&
      ::makedev(status.stx_dev_major, status.stx_dev_minor) == device_)
    errnum = call(root) == 0 ? 0 : errno;
  ::close(root);
  return errnum;
}

int MountAnnouncer::create(const std::string& path, bool is_directory) {
  return on_mount([&](int root) {
    return is_directory ? ::mkdirat(root, path.c_str(), 0700) : ::mknodat(root, path.c_str(), S_IFREG | 0600, 0);
  });
}

int MountAnnouncer::remove(const std::string& path, bool is_directory) {
  return on_mount([&](int root) { return ::unlinkat(root, path.c_str(), is_directory ? AT_REMOVEDIR : 0); });
}

}  // namespace imapfs::fuse
