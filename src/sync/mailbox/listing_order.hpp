#pragma once
// Whether the rows of a first listing come without gaps, by their message sequence numbers.
//
// Readers get rows up to a UID below which no message can still come. A server may send rows in any order (RFC 9051
// §7.5.2), or leave some out, so a higher UID proves nothing. A row is in order only if its sequence number is one more
// than the last row's, beginning with the mailbox's first message. Pure; one thread at a time.

#include <algorithm>
#include <cstdint>

#include "imapfs/model/types.hpp"

namespace imapfs::sync {

class ListingOrder {
 public:
  /// The mailbox was selected. When a listing continues in the middle, the number of messages below is unknown.
  void begin(bool from_first_message) { next_ = from_first_message ? 1 : 0; }
  void begin_chunk() {
    first_ = next_;
    highest_ = 0;
    came_ = {};
  }
  /// Whether all messages below this one have come. `sequence` 0: unknown.
  bool take(Uid uid, std::uint32_t sequence) {
    came_.add(uid, uid);
    highest_ = std::max(highest_, sequence);
    if (sequence == 0 || sequence != next_) return false;
    ++next_;
    return true;
  }
  /// Whether the rows so far have no gap. If so, the next chunk continues from there.
  bool end_chunk() {
    const bool whole = first_ != 0 && first_ + came_.count() == std::max(highest_ + 1, first_);
    next_ = whole ? static_cast<std::uint32_t>(first_ + came_.count()) : 0;
    return whole;
  }

 private:
  std::uint32_t next_ = 0;     ///< the next sequence number; 0: unknown
  std::uint32_t first_ = 0;    ///< of the chunk, as `next_` was at its beginning
  std::uint32_t highest_ = 0;  ///< highest sequence number in the chunk
  UidSet came_;
};

}  // namespace imapfs::sync
