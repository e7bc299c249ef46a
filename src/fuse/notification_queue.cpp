#include "imapfs/fuse/notification_queue.hpp"

#include <algorithm>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::fuse {
namespace {

using Kind = Notification::Kind;

/// The directory whose forgetting covers the notification; nothing for what stands for itself.
std::optional<vfs::NodeId> directory_of(const Notification& notification) {
  switch (notification.kind) {
    case Kind::added:
    case Kind::removed:
    case Kind::entry_forgotten:
    case Kind::collision: return notification.change.parent;
    case Kind::directory_changed:
    case Kind::directory_forgotten: return notification.change.node;
    case Kind::attributes:
    case Kind::content: {
      const auto node = vfs::decode_node(notification.change.node);
      if (node && node->kind == vfs::NodeKind::message) return vfs::mailbox_node(node->mailbox);
      return std::nullopt;
    }
    case Kind::poll: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

void NotificationQueue::push(Notification notification) {
  const auto directory = directory_of(notification);
  if (directory && forgotten_.contains(*directory)) return;
  if (items_.size() < capacity_) {
    items_.push_back(std::move(notification));
  } else if (directory) {
    merge(*directory);
  } else {
    // Few nodes have no directory (the control files, pollers): the bound may be passed by that many.
    std::erase_if(items_, [&](const Notification& other) {
      return other.kind == notification.kind && other.change.node == notification.change.node &&
             other.poll == notification.poll;
    });
    items_.push_back(std::move(notification));
  }
}

void NotificationQueue::merge(vfs::NodeId directory) {
  std::erase_if(items_, [&](const Notification& other) { return directory_of(other) == directory; });
  Notification forget;
  forget.kind = Kind::directory_forgotten;
  forget.change.node = directory;
  forget.change.is_directory = true;
  items_.push_back(std::move(forget));
  forgotten_.insert(directory);
}

std::optional<Notification> NotificationQueue::pop() {
  if (items_.empty()) return std::nullopt;
  std::optional<Notification> first(std::move(items_.front()));
  items_.pop_front();
  // From here on a change of the directory may come after the invalidation and needs its own.
  if (first->kind == Kind::directory_forgotten) forgotten_.erase(first->change.node);
  return first;
}

void NotificationQueue::clear() {
  items_.clear();
  forgotten_.clear();
}

}  // namespace imapfs::fuse
