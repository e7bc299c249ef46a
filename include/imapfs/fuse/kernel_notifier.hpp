#pragma once
// Tells the kernel, and through it every watcher, what changed on the server.
//
// Two threads. "notify" is the only one that calls fuse_lowlevel_notify_*: such a call waits while a user's operation
// holds the directory, so it holds no lock and nobody waits for it. The exception is forget_attributes(), which waits
// for nobody: it is carried out on the caller's thread. "announce" raises inotify events by mkdir, mknod,
// unlink and rmdir on the daemon's own mount; it too may wait for a user's operation and nobody waits for it. Both
// queues are bounded: invalidations of a full queue become directory-wide ones (never lost), announcements are dropped.
// Threads: the vfs::KernelNotifier methods may be called from any thread and never block.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/fuse/notification_queue.hpp"
#include "imapfs/vfs/announcements.hpp"
#include "imapfs/vfs/kernel_notifier.hpp"

namespace imapfs::fuse {

/// What can be done to the kernel's caches. Implemented on a FUSE session (mount.cpp) and by tests. Results are 0 or a
/// negative errno; -ENOENT means that the kernel did not know the thing.
class NotifyChannel {
 public:
  virtual ~NotifyChannel() = default;
  /// Attributes, and for directories the cached listing. Never waits for anybody.
  virtual int invalidate_directory(vfs::NodeId directory) = 0;
  virtual int invalidate_attributes(vfs::NodeId node) = 0;
  virtual int invalidate_entry(vfs::NodeId parent, const std::string& name) = 0;
  virtual int remove_entry(vfs::NodeId parent, vfs::NodeId child, const std::string& name) = 0;
  virtual int wake_poller(fuse_pollhandle* handle) = 0;
};

/// The system calls of the announcer, on the mount. Implemented by MountAnnouncer and by tests. Results are 0 or errno.
class AnnounceChannel {
 public:
  virtual ~AnnounceChannel() = default;
  virtual int create(const std::string& path, bool is_directory) = 0;
  virtual int remove(const std::string& path, bool is_directory) = 0;
};

class SessionNotifier : public vfs::KernelNotifier {
 public:
  struct Dependencies {
    NotifyChannel* kernel = nullptr;
    AnnounceChannel* announcer = nullptr;
    /// Filesystem::begin_announcement and end_announcement.
    std::function<vfs::Announcements::Id(vfs::Announcement)> begin_announcement;
    std::function<void(vfs::Announcements::Id)> end_announcement;
    /// Where a directory hangs, to forget it with all below; nothing for the root.
    std::function<std::optional<DirectoryPlace>(vfs::NodeId)> place_of;
  };

  explicit SessionNotifier(Dependencies dependencies, std::size_t capacity = 10'000);
  /// stop().
  ~SessionNotifier() override;
  SessionNotifier(const SessionNotifier&) = delete;
  SessionNotifier& operator=(const SessionNotifier&) = delete;

  void entry_added(const EntryChange& change) override;
  void entry_removed(const EntryChange& change) override;
  void attributes_changed(vfs::NodeId node) override;
  void forget_attributes(vfs::NodeId node) override;
  void content_changed(vfs::NodeId node) override;
  void directory_changed(vfs::NodeId directory) override;
  void directory_forgotten(const EntryChange& change) override;
  /// What the kernel knows by this name may be wrong; it asks again.
  void entry_forgotten(const DirectoryPlace& place);
  /// Wakes a poll(2) on the mount.
  void poll_ready(std::shared_ptr<fuse_pollhandle> handle);

  /// The thread whose requests are announcements; 0 before it runs.
  [[nodiscard]] pid_t announcer_thread() const { return announcer_thread_; }
  /// Drops what is queued and joins both threads. While it waits, the mount must answer (or refuse) every request, as
  /// both threads may be inside the kernel. Idempotent; later calls of the notifier do nothing.
  void stop();

 private:
  struct AnnouncementTask {
    EntryChange change;
    bool added = false;
    int attempt = 0;
  };

  void push(Notification notification);
  void run_notify(const std::stop_token& stop);
  void run_announce(const std::stop_token& stop);
  void deliver(Notification& notification);
  void deliver_removal(const EntryChange& change);
  void forget_directory(const Notification& notification);
  void queue_announcement(AnnouncementTask task);
  void announce(AnnouncementTask& task);

  const Dependencies dependencies_;
  /// Held while forget_attributes() is in the kernel, which never waits there: stop() returns after it.
  std::mutex direct_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  NotificationQueue queue_;
  BoundedQueue<AnnouncementTask> announcements_;
  std::atomic<pid_t> announcer_thread_{0};
  std::atomic<bool> stopped_{false};
  std::jthread notify_;
  std::jthread announce_;
};

}  // namespace imapfs::fuse
