#pragma once
// What FUSE threads ask of staged files without waiting for the thread "staging": sizes and times, which files are this
// process's own, whose cached pages are wrong, and which messages are held still.
//
// Any thread; one lock, a leaf.

#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "imapfs/base/concurrency.hpp"
#include "vfs/staging/staged_file.hpp"

namespace imapfs::vfs {

class ShownFiles {
 public:
  /// What is known of the file is up to date.
  void show(const StagedFile& file);
  void forget(NodeId node);
  /// The node's content is here. Nothing if it is not.
  [[nodiscard]] std::optional<StagedStatus> status(NodeId node) const;

  /// Of a message that this process has uploaded.
  void add_own_message(NodeId node);
  void forget_own_message(NodeId node);
  [[nodiscard]] bool is_own_new_file(NodeId node) const;

  /// What the kernel has cached of the node is wrong.
  void mark_stale_pages(NodeId node);
  /// True once after that.
  [[nodiscard]] bool take_stale_pages(NodeId node);

  /// Counts one who holds the message, unless it is open: then false.
  [[nodiscard]] bool hold_closed(NodeId node);
  [[nodiscard]] bool is_held(NodeId node) const;
  /// The end of one hold_closed(); true if nobody holds the message any more.
  [[nodiscard]] bool end_hold(NodeId node);

 private:
  struct Shown {
    StagedStatus status;
    bool here = false;
    bool own = false;
  };
  struct State {
    std::unordered_map<NodeId, Shown> files;
    std::unordered_set<NodeId> own_messages;
    std::unordered_set<NodeId> stale_pages;
    std::unordered_map<NodeId, int> held;
  };
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
