#pragma once
// What waits for the notifier thread: bounded, and exact even when it overflows.
//
// When the queue is full, everything that waits for one directory is replaced by a single "forget this directory",
// which includes whatever else happens to that directory until it is taken. Order within a directory is kept. Not
// thread-safe.

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "imapfs/vfs/kernel_notifier.hpp"

struct fuse_pollhandle;

namespace imapfs::fuse {

/// Where a directory hangs in its parent.
struct DirectoryPlace {
  vfs::NodeId parent;
  std::string name;
};

struct Notification {
  enum class Kind : std::uint8_t {
    added,
    removed,
    attributes,
    content,
    directory_changed,
    directory_forgotten,  ///< `change.node`; where it hangs is looked up if `change.name` is empty
    entry_forgotten,
    collision,  ///< an announced name is already known to the kernel: forget the name, announce again
    poll,
  };
  Kind kind = Kind::directory_changed;
  vfs::KernelNotifier::EntryChange change;
  int attempt = 0;  ///< of an announcement, for `collision`
  std::shared_ptr<fuse_pollhandle> poll;
};

class NotificationQueue {
 public:
  explicit NotificationQueue(std::size_t capacity) : capacity_(capacity) {}

  void push(Notification notification);
  [[nodiscard]] std::optional<Notification> pop();
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  void clear();

 private:
  void merge(vfs::NodeId directory);

  const std::size_t capacity_;
  std::deque<Notification> items_;
  std::unordered_set<vfs::NodeId> forgotten_;  ///< directories whose "forget" waits because of an overflow
};

}  // namespace imapfs::fuse
