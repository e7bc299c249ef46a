#pragma once
// Whether rows of a first listing come without a gap, by their message sequence numbers.
//
// Readers are given rows up to a UID below which no message is still to come, and a server may send rows in any order
// (RFC 9051 §7.5.2), or leave some out. A row is in order only if its sequence number is the one after the last row's,
// from the mailbox's first message on: a higher UID proves nothing. Pure; one thread at a time.

#include <algorithm>
#include <cstdint>

#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class ListingOrder {
 public:
  /// The mailbox was selected. If the listing goes on in the middle of it, it is not known how many messages are below.
  void begin(bool from_first_message) { next_ = from_first_message ? 1 : 0; }
  void begin_chunk() {
    first_ = next_;
    highest_ = 0;
    came_ = {};
  }
  /// Whether all messages below this one have come. `sequence` 0: not told.
  bool take(Uid uid, std::uint32_t sequence) {
    came_.add(uid, uid);
    highest_ = std::max(highest_, sequence);
    if (sequence == 0 || sequence != next_) return false;
    ++next_;
    return true;
  }
  /// Whether what has come is all up to the last of it. If so, the next chunk may go on from there.
  bool end_chunk() {
    const bool whole = first_ != 0 && first_ + came_.count() == std::max(highest_ + 1, first_);
    next_ = whole ? static_cast<std::uint32_t>(first_ + came_.count()) : 0;
    return whole;
  }

 private:
  std::uint32_t next_ = 0;     ///< the sequence number to come; 0: not known
  std::uint32_t first_ = 0;    ///< of the chunk
  std::uint32_t highest_ = 0;  ///< that the chunk has brought
  UidSet came_;
};

}  // namespace imapfs::sync
