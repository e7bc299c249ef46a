#pragma once
// The bodies of open messages: an optimisation over opening them again, nothing depends on an entry being there.
//
// Keyed by node and UIDVALIDITY (the handle), counted by opens. Bodies that a read had to open by itself, because the
// open happened in an earlier process, are kept in a short list instead, since nothing says when they end. Thread-safe;
// bodies are destroyed outside the lock.

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/account.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

class OpenBodies {
 public:
  static constexpr std::size_t max_unowned = 16;

  /// Counts an open. `entry`: what the message looks like, for fstat after it was expunged; absent if not known.
  void add(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body, std::optional<Entry> entry);
  /// The octets are found elsewhere now. Counts no open; one that is not open is kept as add_unowned() does.
  void replace(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// A body of the node that is open and not whole yet, if there is one.
  [[nodiscard]] std::shared_ptr<sync::Body> find_unfinished(NodeId node) const;
  void add_unowned(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);
  void release(NodeId node, HandleId handle);
  [[nodiscard]] std::shared_ptr<sync::Body> find(NodeId node, HandleId handle) const;
  /// The message as it was when it was opened, if it is open.
  [[nodiscard]] std::optional<Entry> find_entry(NodeId node) const;
  [[nodiscard]] std::size_t size() const;

 private:
  using Key = std::pair<NodeId, HandleId>;
  struct Open {
    std::shared_ptr<sync::Body> body;
    std::optional<Entry> entry;
    std::size_t count = 0;
  };
  struct State {
    std::map<Key, Open> open;
    std::deque<std::pair<Key, std::shared_ptr<sync::Body>>> unowned;
  };
  Guarded<State> state_;
};

/// Which bodies the kernel's page cache was given whole, so that it is not given them at every open. Remembers the last
/// `capacity`; wrong guesses cost a copy or a READ, nothing else. Thread-safe.
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
