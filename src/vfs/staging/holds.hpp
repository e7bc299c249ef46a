#pragma once
// Messages that are held still while somebody gives them another name, place, flags, or removes them: no version of
// such a message goes on its way to the server, and nobody opens it for writing who had not before.
//
// hold() from any thread; the rest on the thread "staging". No lock of its own.

#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "vfs/staging/drain_waiters.hpp"
#include "vfs/staging/shown_files.hpp"
#include "vfs/staging/staged_files.hpp"
#include "vfs/staging/staging_thread.hpp"

namespace imapfs::vfs {

/// The message is held as long as somebody has it.
using Hold = std::shared_ptr<void>;

class Holds {
 public:
  struct Dependencies {
    ShownFiles& shown;
    StagedFiles& files;
    DrainWaiters& waiters;
    StagingThread& thread;
  };
  explicit Holds(const Dependencies& dependencies) : use_(dependencies) {}

  /// `then` runs when no version of the message is on its way to the server: within the call if nobody has it open, or
  /// on the thread "staging". What the node stands for may have changed by then.
  void hold(NodeId node, std::function<void(Hold)> then);

  /// Runs `open` when the last hold of the message ends; false, and nothing happens, if nobody holds it.
  bool await_end(NodeId node, Job open);
  /// Whoever held it has removed it, or another message has taken its name.
  void note_gone(NodeId node);
  /// Whether that was so, for who is called by await_end().
  [[nodiscard]] bool is_gone(NodeId node) const { return gone_.contains(node); }

 private:
  void end(NodeId node);

  const Dependencies use_;
  std::unordered_map<NodeId, std::vector<Job>> waiting_opens_;
  std::unordered_set<NodeId> gone_;
};

}  // namespace imapfs::vfs
