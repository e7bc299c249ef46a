#pragma once
// Finds out what became of a change of the tree, and shows it in the tree.
//
// After a lost answer, lists the tree before anybody is told: if the list shows the change, it has succeeded. Without a
// connection the tree is listed as soon as there is one. Any thread; no lock.

#include <functional>

#include "sync/tree/listing.hpp"
#include "sync/tree/tree_sync.hpp"

namespace imapfs::sync {

class TreeChangeOutcome {
 public:
  /// A change of the tree, with its answer if it got one.
  struct Answer {
    SteadyClock::time_point began;
    bool sent = false;  ///< sent: an Error does not tell whether the server has carried it out
    bool lost = false;  ///< an answer was lost
    Result<void> result;
    std::function<bool(const Listing&)> is_made;
    /// Shows the change in our tree.
    std::function<void(bool kernel_knows)> adopt;
    Completion<void> done;
  };

  TreeChangeOutcome(TreeSync& tree_sync, SteadyClock::duration timeout) : tree_sync_(tree_sync), timeout_(timeout) {}

  /// Called by the holder of the tree, who keeps it until `done` is called.
  void conclude(Answer answer);

 private:
  void look(Answer answer);

  TreeSync& tree_sync_;
  const SteadyClock::duration timeout_;
};

}  // namespace imapfs::sync
