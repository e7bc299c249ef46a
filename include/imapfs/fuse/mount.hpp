#pragma once
// The mount: makes it, serves it on threads "fuse-1" … "fuse-N", ends it.
//
// Order of life: Filesystem, Scheduler and RequestRegistry exist before and outlive the Mount. Call create() after the
// daemon has forked and with signals blocked as the daemon wants them: threads start here. When create() has returned,
// the mount answers. Then connect notifier() to the ChangePublisher; disconnect it (and stop the account) before
// destruction. Errors of create() have scope account and are sentences for the user, with the cure.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/fuse/request.hpp"
#include "imapfs/vfs/filesystem.hpp"

namespace imapfs::fuse {

struct MountSettings {
  std::string mountpoint;         ///< any path; made absolute
  std::string source = "imapfs";  ///< first column of df: "imapfs#user@host"
  std::string subtype = "imapfs";
  bool allow_other = false;
  bool nonempty = false;
  std::vector<std::string> kernel_options;  ///< "ro", "noatime", …: passed on as -o
  bool debug = false;                       ///< libfuse's own trace on stderr
  std::size_t threads = 3;                  ///< at least 2: notifications may hold one
  std::chrono::seconds timeout{30};         ///< every request's deadline
  std::uint32_t max_readahead = 128 * 1024;
  bool list_xattrs = false;  ///< else listxattr(2) is EOPNOTSUPP, and the kernel asks for it once per mount
};

/// Checks a mountpoint as create() does, without mounting. The canonical absolute path on success. A dead imapfs mount
/// there is unmounted lazily first.
Result<std::string> prepare_mountpoint(const MountSettings& settings);

class Mount {
 public:
  static Result<std::unique_ptr<Mount>> create(MountSettings settings, vfs::Filesystem& filesystem,
                                               Scheduler& scheduler, std::shared_ptr<RequestRegistry> requests);
  /// unmount().
  ~Mount();
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  [[nodiscard]] vfs::KernelNotifier& notifier();
  /// The file system's device number, by which MountTable knows it.
  [[nodiscard]] dev_t device() const;
  /// Called once, on a fuse thread, when the mount has ended from outside (fusermount3 -u). Must not destroy the Mount.
  void on_ended(std::function<void()> callback);
  /// Fails what is in flight, ends all threads, unmounts (lazily if it is in use). What lies at the mountpoint is left
  /// alone if it is not this mount, as after a lazy unmount. Idempotent. Never from a fuse thread.
  void unmount();

 private:
  struct Implementation;
  explicit Mount(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::fuse
