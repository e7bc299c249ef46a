#include "fuse/session_support.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fuse/operations.hpp"

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

namespace {

/// The device number alone, which needs no answer of the file system.
bool is_on(int descriptor, dev_t device) {
  struct statx status {};
  return ::statx(descriptor, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status) == 0 &&
         ::makedev(status.stx_dev_major, status.stx_dev_minor) == device;
}

/// openat(2) that neither leaves the mount of `root` nor its tree, whatever lies on the way; else EXDEV or ELOOP.
int open_beneath(int root, const char* path) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
}

/// "." for what is in the root.
std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string last_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

bool MountAnnouncer::is_in_place() const {
  const int root = ::open(mountpoint_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return false;
  const bool here = is_on(root, device_);
  ::close(root);
  return here;
}

// Descriptors are held for the call only: an open one keeps fusermount3 -u from working.
int MountAnnouncer::open_parent(const std::string& path) const {
  const int root = ::open(mountpoint_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return -errno;
  const int parent = is_on(root, device_) ? open_beneath(root, parent_of(path).c_str()) : (errno = ENODEV, -1);
  const int errnum = errno;
  ::close(root);
  return parent < 0 ? -errnum : parent;
}

template <class Call>
int MountAnnouncer::in_parent(const std::string& path, Call&& call) const {
  const int parent = open_parent(path);
  if (parent < 0) return -parent;
  const int errnum = call(parent, last_of(path)) == 0 ? 0 : errno;
  ::close(parent);
  return errnum;
}

int MountAnnouncer::create(const std::string& path, bool is_directory) {
  return in_parent(path, [&](int parent, const std::string& name) {
    return is_directory ? ::mkdirat(parent, name.c_str(), 0700) : ::mknodat(parent, name.c_str(), S_IFREG | 0600, 0);
  });
}

int MountAnnouncer::remove(const std::string& path, bool is_directory) {
  return in_parent(path, [&](int parent, const std::string& name) {
    return ::unlinkat(parent, name.c_str(), is_directory ? AT_REMOVEDIR : 0);
  });
}

}  // namespace imapfs::fuse
