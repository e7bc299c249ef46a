#pragma once
// What mount.cpp is made of: the channels of the notifier on a real session, and unmounting. Included by src/fuse only.

#include <sys/types.h>

#include <atomic>
#include <string>

#include "imapfs/fuse/kernel_notifier.hpp"

struct fuse_session;

namespace imapfs::fuse {

/// fuse_lowlevel_notify_* of one session.
class SessionChannel final : public NotifyChannel {
 public:
  explicit SessionChannel(fuse_session* session) : session_(session) {}
  int invalidate_directory(vfs::NodeId directory) override;
  int invalidate_attributes(vfs::NodeId node) override;
  int invalidate_entry(vfs::NodeId parent, const std::string& name) override;
  int remove_entry(vfs::NodeId parent, vfs::NodeId child, const std::string& name) override;
  int wake_poller(fuse_pollhandle* handle) override;

 private:
  fuse_session* session_;
};

/// System calls on the mount, only while it is what lies at the path: after an unmount the same path names the
/// directory below, where nothing may be created. Nor is anything done in a file system that somebody has mounted on a
/// directory of this one: EXDEV.
class MountAnnouncer final : public AnnounceChannel {
 public:
  explicit MountAnnouncer(std::string mountpoint) : mountpoint_(std::move(mountpoint)) {}
  /// The mount's device number, once it is live. Before that nothing is announced.
  void set_device(dev_t device) { device_ = device; }
  [[nodiscard]] dev_t device() const { return device_; }
  /// Whether the mount is what lies at the path.
  [[nodiscard]] bool is_in_place() const;
  int create(const std::string& path, bool is_directory) override;
  int remove(const std::string& path, bool is_directory) override;

 private:
  /// The directory of `path` as a descriptor, or a negative errno.
  [[nodiscard]] int open_parent(const std::string& path) const;
  template <class Call>
  int in_parent(const std::string& path, Call&& call) const;

  const std::string mountpoint_;
  std::atomic<dev_t> device_{0};
};

/// Empty when fusermount3 is not installed.
std::string find_fusermount();
bool lazy_unmount(const std::string& path);

}  // namespace imapfs::fuse
