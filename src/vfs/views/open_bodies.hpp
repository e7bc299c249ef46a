#pragma once
// The bodies of open messages: an optimisation over opening them again, nothing depends on an entry being there.
//
// An open is in one of four states, see State: it starts as `unread` or `known`, a first READ takes it from unread to
// unproved or known, the proof of the length from unproved to known, and a new version of the message back to `none`.
//
// Keyed by node and UIDVALIDITY (the handle), counted by opens. A node keeps its number when a file is written to,
// though it stands for another message then: whoever has it open goes on with the bytes of the new one, as on any file
// system (the kernel has one set of pages for all of them). A body that a READ had to open by itself, because the open
// happened in an earlier process, is kept in a short list instead, since nothing says when that open ends.
//
// Thread-safe; its lock is a leaf, and bodies are destroyed outside it.

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/sync/body_reader.hpp"
#include "vfs/nodes/node_meaning.hpp"

namespace imapfs::vfs {

class OpenBodies {
 public:
  static constexpr std::size_t max_unowned = 16;

  enum class State : std::uint8_t {
    none,      ///< no such open, or the node stands for another message than when it was opened
    unread,    ///< nobody has read yet: no body
    unproved,  ///< there is a body, but its length is not proved: the kernel goes by the size it was told
    known,     ///< there is a body with a proved length
  };
  /// An open whose length the kernel was told but nobody has proved.
  struct Unread {
    Node node;
    HandleId handle = 0;
    std::uint64_t told_size = 0;
  };
  struct Found {
    State state = State::none;
    std::shared_ptr<sync::Body> body;  ///< unproved, known
    Unread unread;                     ///< unread, unproved
  };

  /// Counts an open. `entry`: what the message looks like, for fstat after it was expunged; absent if not known.
  void add(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body, std::optional<Entry> entry);
  /// Counts an open of a message that nobody has read yet. True if news of its size is to be held back from here on,
  /// until stop_holding() or release() says otherwise.
  [[nodiscard]] bool add_unread(const Unread& unread, std::optional<Entry> entry);
  [[nodiscard]] Found find(NodeId node, HandleId handle) const;
  /// An open whose length is not proved, by any handle.
  [[nodiscard]] std::optional<Unread> find_unread(NodeId node) const;
  /// A body of the node that is open and not whole yet, if there is one.
  [[nodiscard]] std::shared_ptr<sync::Body> find_unfinished(NodeId node) const;
  /// The message as it was when it was opened, if it is open.
  [[nodiscard]] std::optional<Entry> find_entry(NodeId node) const;

  /// The bytes are found in `body` now, whose length is proved. Counts no open.
  void replace(const Node& node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// Forgets the body of another message that the node stood for in the same mailbox. One that was moved has the same
  /// bytes.
  void drop_replaced(const Node& node, HandleId handle);
  /// A body whose length is not proved yet. Nothing happens if the length is known by now.
  void keep_unproved(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);
  /// Takes that body away again, if it is this one.
  void drop_unproved(NodeId node, HandleId handle, const std::shared_ptr<sync::Body>& body);
  /// True if news was held back for this open, and now it is not.
  [[nodiscard]] bool stop_holding(NodeId node, HandleId handle);
  /// True if news was held back for this open, which has ended.
  bool release(NodeId node, HandleId handle);

 private:
  using Key = std::pair<NodeId, HandleId>;
  struct Open {
    State state = State::none;
    Node node;  ///< whose bytes these are
    std::shared_ptr<sync::Body> body;
    std::uint64_t told_size = 0;
    std::optional<Entry> entry;
    std::size_t count = 0;
    bool holds_news = false;

    [[nodiscard]] bool is_unread() const { return state == State::unread || state == State::unproved; }
  };
  using Opens = std::map<Key, Open>;
  struct Table {
    Opens open;
    std::deque<std::pair<Key, std::shared_ptr<sync::Body>>> unowned;

    [[nodiscard]] std::pair<Opens::const_iterator, Opens::const_iterator> of(NodeId node) const;
    [[nodiscard]] Open* find(NodeId node, HandleId handle);
  };

  void add_unowned(NodeId node, HandleId handle, std::shared_ptr<sync::Body> body);

  Guarded<Table> table_;
};

}  // namespace imapfs::vfs
