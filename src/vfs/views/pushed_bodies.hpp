#pragma once
// Which bodies the kernel's page cache was given whole, so that it is not given them at every open. Remembers the last
// `capacity`; wrong guesses cost a copy or a READ, nothing else. Thread-safe; its lock is a leaf.

#include <cstddef>
#include <deque>
#include <unordered_map>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class PushedBodies {
 public:
  static constexpr std::size_t capacity = 65536;

  /// True if this body was not pushed since it was forgotten; it counts as pushed from here on.
  [[nodiscard]] bool begin(NodeId node, HandleId handle);
  void forget(NodeId node);

 private:
  struct State {
    std::unordered_map<NodeId, HandleId> pushed;
    std::deque<NodeId> order;
  };
  Guarded<State> state_;
};

}  // namespace imapfs::vfs
