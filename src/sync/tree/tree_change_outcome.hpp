#pragma once
// What became of a change of the tree, and whether the tree shows it.
//
// After a lost answer the tree is listed before anybody is told: if the list shows the change, it has succeeded. If
// there is no connection for that, the tree is listed as soon as there is one. Any thread; no lock.

#include <functional>

#include "sync/tree/listing.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class TreeChangeOutcome {
 public:
  /// A change of the tree that has been answered, or not.
  struct Answer {
    SteadyClock::time_point began;
    bool sent = false;  ///< an Error does not say whether the server has carried it out
    bool lost = false;  ///< an answer was lost on the way
    Result<void> result;
    /// Whether this list shows the change as made.
    std::function<bool(const Listing&)> is_made;
    /// Shows it in our tree.
    std::function<void(bool kernel_knows)> adopt;
    Completion<void> done;
  };

  TreeChangeOutcome(TreeSync& tree_sync, SteadyClock::duration timeout) : tree_sync_(tree_sync), timeout_(timeout) {}

  /// Called by whoever has the tree to himself, who keeps it until `done` is called.
  void conclude(Answer answer);

 private:
  void look(Answer answer);

  TreeSync& tree_sync_;
  const SteadyClock::duration timeout_;
};

}  // namespace imapfs::sync
