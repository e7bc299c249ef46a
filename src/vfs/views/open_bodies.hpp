#pragma once
// The bodies of open messages: an optimisation over opening them again, nothing depends on an entry being there. An
// open may be without one: nobody has read yet. One that was read while the length was not proved has a body, and is
// unread all the same: the kernel goes by the size it was told.
//
// Keyed by node and UIDVALIDITY (the handle), counted by opens. A node keeps its number when a file is written to,
// though it stands for another message then: whoever has it open goes on with the octets of the new one, as on any file
// system (the kernel has one set of pages for all of them). Bodies that a read had to open by itself, because the open
// happened in an earlier process, are kept in a short list instead, since nothing says when they end. Thread-safe;
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
#include "imapfs/vfs/view.hpp"

namespace imapfs::vfs {

class OpenBodies {
 public:
  static constexpr std::size_t max_unowned = 16;

  struct Unread {
    Node node;
    std::uint64_t size = 0;  ///< as the kernel was told
    HandleId handle = 0;
  };

  /// Counts an open. `entry`: what the message looks like, for fstat after it was expunged; absent if not known.
  void add(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body, std::optional<Entry> entry);
  /// Counts an open of a message that nobody has read yet. True if news of its size is to be held back from here on,
  /// until stop_holding() or release() says otherwise.
  [[nodiscard]] bool add_unread(const Unread& unread, std::optional<Entry> entry);
  /// Nothing where the length is known, or no such open.
  [[nodiscard]] std::optional<Unread> find_unread(NodeId node, HandleId handle) const;
  /// An unread open, by any handle.
  [[nodiscard]] std::optional<Unread> find_unread(NodeId node) const;
  /// True if news was held back for this open, and now it is not.
  [[nodiscard]] bool stop_holding(NodeId node, HandleId handle);
  /// The octets are found there now. Counts no open; one that is not open is kept as add_unowned() does.
  void replace(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// Forgets what is known of the octets of another message that `node` stood for in the same mailbox. One that was
  /// moved has the same octets.
  void drop_replaced(const Node& node, HandleId handle);
  /// A body whose length is not proved yet: the open stays unread. Nothing happens if it is not unread any more.
  void keep_unproved(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// Takes that body away again, if it is this one.
  void drop_unproved(NodeId node, HandleId handle, const std::shared_ptr<sync::Body>& body);
  /// A body of the node that is open and not whole yet, if there is one.
  [[nodiscard]] std::shared_ptr<sync::Body> find_unfinished(NodeId node) const;
  void add_unowned(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// True if news was held back for this open, which has ended.
  bool release(NodeId node, HandleId handle);
  struct Found {
    std::shared_ptr<sync::Body> body;
    std::optional<Unread> unread;
  };
  [[nodiscard]] Found find(NodeId node, HandleId handle) const;
  /// The message as it was when it was opened, if it is open.
  [[nodiscard]] std::optional<Entry> find_entry(NodeId node) const;
  [[nodiscard]] std::size_t size() const;

 private:
  using Key = std::pair<NodeId, HandleId>;
  struct Open {
    std::shared_ptr<sync::Body> body;
    DecodedNode message;  ///< whose octets these are
    std::optional<Entry> entry;
    std::size_t count = 0;
    std::optional<Unread> unread;  ///< until there is a body with a proved length
    bool holds_news = false;
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
