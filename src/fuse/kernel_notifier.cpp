#include "imapfs/fuse/kernel_notifier.hpp"

#include <unistd.h>

#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

constexpr std::size_t announcement_capacity = 1000;
/// How often a name that a user's lookup brings back between notification and announcement is tried again.
constexpr int max_attempts = 3;

using Kind = Notification::Kind;

std::string path_of(const vfs::KernelNotifier::EntryChange& change) {
  return change.directory.empty() ? change.name : change.directory + "/" + change.name;
}

void trace_latency(const char* what, const vfs::KernelNotifier::EntryChange& change) {
  if (!telemetry::traced(telemetry::Category::fuse)) return;
  const auto age = std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - change.received).count();
  telemetry::trace(telemetry::Category::fuse, "{} {} {} us after the server's line", what,
                   telemetry::printable(path_of(change)), age);
}

}  // namespace

SessionNotifier::SessionNotifier(Dependencies dependencies, std::size_t capacity)
    : dependencies_(std::move(dependencies)), queue_(capacity), announcements_(announcement_capacity) {
  notify_ = std::jthread([this](const std::stop_token& stop) { run_notify(stop); });
  announce_ = std::jthread([this](const std::stop_token& stop) { run_announce(stop); });
}

SessionNotifier::~SessionNotifier() { stop(); }

void SessionNotifier::stop() {
  {
    const std::lock_guard guard(direct_);
    stopped_ = true;
  }
  notify_.request_stop();
  announce_.request_stop();
  if (notify_.joinable()) notify_.join();
  if (announce_.joinable()) announce_.join();
  const std::lock_guard guard(mutex_);
  queue_.clear();
}

void SessionNotifier::push(Notification notification) {
  if (stopped_) return;
  {
    const std::lock_guard guard(mutex_);
    queue_.push(std::move(notification));
  }
  changed_.notify_one();
}

void SessionNotifier::entry_added(const EntryChange& change) { push({Kind::added, change, 0, nullptr}); }
void SessionNotifier::entry_removed(const EntryChange& change) { push({Kind::removed, change, 0, nullptr}); }
void SessionNotifier::directory_forgotten(const EntryChange& change) {
  push({Kind::directory_forgotten, change, 0, nullptr});
}

void SessionNotifier::attributes_changed(vfs::NodeId node) {
  Notification notification;
  notification.kind = Kind::attributes;
  notification.change.node = node;
  push(std::move(notification));
}

void SessionNotifier::forget_attributes(vfs::NodeId node) {
  const std::lock_guard guard(direct_);
  if (!stopped_) dependencies_.kernel->invalidate_attributes(node);
}

void SessionNotifier::content_changed(vfs::NodeId node) {
  Notification notification;
  notification.kind = Kind::content;
  notification.change.node = node;
  push(std::move(notification));
}

void SessionNotifier::directory_changed(vfs::NodeId directory) {
  Notification notification;
  notification.kind = Kind::directory_changed;
  notification.change.node = directory;
  push(std::move(notification));
}

void SessionNotifier::entry_forgotten(const DirectoryPlace& place) {
  Notification notification;
  notification.kind = Kind::entry_forgotten;
  notification.change.parent = place.parent;
  notification.change.name = place.name;
  push(std::move(notification));
}

void SessionNotifier::poll_ready(std::shared_ptr<fuse_pollhandle> handle) {
  Notification notification;
  notification.kind = Kind::poll;
  notification.poll = std::move(handle);
  push(std::move(notification));
}

void SessionNotifier::run_notify(const std::stop_token& stop) {
  name_this_thread("notify");
  while (true) {
    std::optional<Notification> next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !queue_.empty(); });
      if (stop.stop_requested()) return;
      next = queue_.pop();
    }
    (void)run_contained("notify", [&] { deliver(*next); });
    ++telemetry::counters().notifications;
  }
}

void SessionNotifier::deliver(Notification& notification) {
  auto& kernel = *dependencies_.kernel;
  const auto& change = notification.change;
  switch (notification.kind) {
    case Kind::added:
      // There are no negative entries (vfs), so the cached listing is all that is wrong.
      kernel.invalidate_directory(change.parent);
      trace_latency("added", change);
      if (change.announce) queue_announcement({change, true, 0});
      break;
    case Kind::removed: deliver_removal(change); break;
    case Kind::attributes: kernel.invalidate_attributes(change.node); break;
    // The pages of a file are invalidated by the same call as the cached listing of a directory.
    case Kind::content: kernel.invalidate_directory(change.node); break;
    case Kind::directory_changed: kernel.invalidate_directory(change.node); break;
    case Kind::directory_forgotten: forget_directory(notification); break;
    case Kind::entry_forgotten:
      kernel.invalidate_directory(change.parent);
      kernel.invalidate_entry(change.parent, change.name);
      break;
    case Kind::collision:
      kernel.invalidate_entry(change.parent, change.name);
      queue_announcement({change, true, notification.attempt});
      break;
    case Kind::poll: kernel.wake_poller(notification.poll.get()); break;
  }
}

void SessionNotifier::deliver_removal(const EntryChange& change) {
  auto& kernel = *dependencies_.kernel;
  // The listing first: else find would look up every entry of the stale one.
  kernel.invalidate_directory(change.parent);
  const int outcome = kernel.remove_entry(change.parent, change.node, change.name);
  // The name may stand for another node by now, or the directory have entries in the cache: forgetting always works.
  if (outcome != 0 && outcome != -ENOENT) kernel.invalidate_entry(change.parent, change.name);
  trace_latency("removed", change);
  if (change.announce) queue_announcement({change, false, 0});
}

void SessionNotifier::forget_directory(const Notification& notification) {
  const auto& change = notification.change;
  dependencies_.kernel->invalidate_directory(change.node);
  if (!change.name.empty()) {
    dependencies_.kernel->invalidate_entry(change.parent, change.name);
  } else if (const auto place = dependencies_.place_of ? dependencies_.place_of(change.node) : std::nullopt) {
    dependencies_.kernel->invalidate_entry(place->parent, place->name);
  }
}

void SessionNotifier::queue_announcement(AnnouncementTask task) {
  if (!announcements_.try_push(std::move(task)))
    telemetry::debug("too many changes at once: watchers of {} are not told of each",
                     telemetry::printable(task.change.directory));
}

void SessionNotifier::run_announce(const std::stop_token& stop) {
  name_this_thread("announce");
  announcer_thread_ = ::gettid();
  while (auto task = announcements_.pop(stop)) (void)run_contained("announce", [&] { announce(*task); });
}

void SessionNotifier::announce(AnnouncementTask& task) {
  const auto& change = task.change;
  using AnnouncementKind = vfs::Announcement::Kind;
  const auto id = dependencies_.begin_announcement(
      {task.added ? AnnouncementKind::created : AnnouncementKind::removed, change.parent, change.name, change.node});
  const auto path = path_of(change);
  const int errnum = task.added ? dependencies_.announcer->create(path, change.is_directory)
                                : dependencies_.announcer->remove(path, change.is_directory);
  dependencies_.end_announcement(id);
  if (errnum == 0) return trace_latency("announced", change);
  if (errnum == EEXIST && task.attempt + 1 < max_attempts) {
    // A user's lookup made the name known first. Only the notifier thread may make the kernel forget it again.
    push({Kind::collision, change, task.attempt + 1, nullptr});
    return;
  }
  telemetry::debug("watchers of {} are not told of {}: {}", telemetry::printable(change.directory),
                   telemetry::printable(change.name), system_error(errnum, "announce").what);
}

}  // namespace imapfs::fuse
