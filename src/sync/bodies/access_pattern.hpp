#pragma once
// Recognises who reads a mailbox message by message, and says which bodies to fetch next: tar, grep -r, cp, rsync, a
// shell glob.
//
// Three opens, each a little after the one before in UID order, make a reader; so do listing order and the order of
// names or inodes where those run along UIDs. A reader is given sets of messages ahead of it, the first of them
// beginning with the message it has just opened; each is larger than the last, and a further one is given once an
// earlier one has been reached. So what a reader leaves unread when it stops or jumps is in proportion to what it has
// read, and whoever opens messages at random is given nothing. Large messages are part of the sets of a reader who has
// read as much before.
//
// Pure bookkeeping of one mailbox: no I/O, no lock, no threads. Memory is bounded: `most_readers`, a few fields each.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class AccessPattern {
 public:
  static constexpr std::size_t most_readers = 8;  ///< followed at a time; the one unused longest makes room
  static constexpr std::size_t opens_to_recognise = 3;
  static constexpr std::size_t widest_gap =
      4;  ///< an open at most so many listed messages behind the last is the next one
  static constexpr std::size_t widest_disorder = 32;  ///< the same of a reader that was recognised, in either direction
  static constexpr std::size_t first_set = 8;
  static constexpr std::size_t set_growth = 4;
  static constexpr std::size_t largest_set = 2048;

  struct Limits {
    std::uint64_t set_bytes = 16 << 20;
    std::uint64_t message_bytes = 1 << 20;  ///< larger messages come in sets only where the reader has earned them …
    std::uint64_t large_message_bytes = 16 << 20;  ///< … and still larger ones never
  };
  struct Message {
    Uid uid;
    std::uint64_t size = 0;
    bool operator==(const Message&) const = default;
  };
  /// The mailbox in UID order: visits messages behind `after` until `visit` returns false.
  using Listing = std::function<void(Uid after, const std::function<bool(const Message&)>& visit)>;
  using ReaderId = std::uint64_t;

  /// Somebody opens a message. The reader who does, if that is one; it stays the same as long as it goes on.
  std::optional<ReaderId> opened(Uid uid, const Listing& listing);

  /// Where the next set of a reader begins, and how large it may be.
  struct Plan {
    ReaderId reader = 0;
    Uid after;
    std::size_t messages = 0;
    /// How much the reader has read of what it was given: a message of that size is in proportion.
    std::uint64_t earned_bytes = 0;
  };
  /// Nothing while it has two sets before it that it has not reached, or if the reader has ended.
  [[nodiscard]] std::optional<Plan> plan(ReaderId reader) const;
  struct Set {
    std::vector<Message> messages;  ///< in UID order
    Uid up_to;                      ///< the last message looked at
  };
  /// Chooses from the messages behind `plan.after` those that are `wanted` (neither cached nor under way). Touches no
  /// reader, so that it may take its time.
  [[nodiscard]] static Set choose(const Plan& plan, const Limits& limits, const Listing& listing,
                                  const std::function<bool(Uid)>& wanted);
  /// The set was given out.
  void give(const Plan& plan, const Set& set);
  /// Forgets a reader: what it was given does not come. It has to be recognised anew.
  void end(ReaderId reader);
  /// Those that are recognised.
  [[nodiscard]] std::size_t readers() const;

 private:
  static constexpr std::size_t sets_before = 2;
  struct Reader {
    ReaderId id = 0;  ///< 0: free
    Uid last;         ///< the furthest message that was opened
    std::size_t opens = 0;
    std::uint64_t used = 0;
    std::size_t next_size = first_set;
    Uid recognised_at;
    Uid given_up_to;
    std::uint64_t given_bytes = 0;
    std::uint64_t last_set_bytes = 0;  ///< the part of them that has not been reached
    std::array<Uid, sets_before>
        starts;  ///< whoever opens something behind one of them has reached that set; the latest last
  };
  [[nodiscard]] const Reader* find(ReaderId id) const;
  [[nodiscard]] Reader* find(ReaderId id);
  [[nodiscard]] static bool follows(const Reader& reader, Uid uid, const Listing& listing);
  void start(Uid uid);

  std::array<Reader, most_readers> readers_;
  ReaderId next_id_ = 1;
  std::uint64_t clock_ = 0;
};

}  // namespace imapfs::sync
