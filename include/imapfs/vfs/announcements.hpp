#pragma once
// What the daemon's own announcer thread is shown while it raises inotify events.
//
// The kernel raises CREATE and DELETE only for system calls on the mount. So the announcer calls mknod, mkdir, unlink
// or rmdir for a change that the server has already made, and is answered as if it had made it: its lookup says ENOENT
// before its mknod, its unlink succeeds. Every other caller sees the truth. Thread-safe; its lock is a leaf.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

struct Announcement {
  enum class Kind : std::uint8_t { created, removed };
  Kind kind = Kind::created;
  NodeId parent;
  std::string name;
  NodeId node;
};

class Announcements {
 public:
  using Id = std::uint64_t;

  Id begin(Announcement announcement);
  void end(Id id);
  /// The newest one that stands for this name.
  [[nodiscard]] std::optional<Announcement> find(NodeId parent, std::string_view name) const;
  [[nodiscard]] std::optional<Announcement> find(NodeId node) const;

 private:
  struct State {
    Id next_id = 1;
    std::map<Id, Announcement> standing;  ///< a handful: the announcer works through them one by one
  };
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
