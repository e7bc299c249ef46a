#pragma once
// Fetches the rows of a set of messages so that one which the server cannot serve hides only itself.
//
// What is refused, or costs the connection, is asked for again in smaller parts, until the message is found that
// fails alone. Of that one less is asked: no header fields, then nothing but flags; and if even that fails it is left
// out. Parts that are still to be fetched outlive a lost session.
//
// Errors: those of the session; a refusal only when so much is refused that it is not about a message. One thread at
// a time.

#include <cstdint>
#include <functional>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

class RowsByParts {
 public:
  /// How much is asked of a message.
  enum class Items : std::uint8_t { all, no_header, flags };
  /// What the caller does for it, on the session at hand.
  struct Work {
    /// One command; each row that comes is told to arrived().
    std::function<Result<void>(const UidSet&, Items)> fetch;
    /// Those of the mailbox, for a set that must be divided.
    std::function<Result<UidSet>()> all_uids;
  };

  /// All of `wanted`. After an Error of scope session the same set may be asked for again: what was learnt about it
  /// counts.
  Result<void> run(const UidSet& wanted, const Work& work);
  void arrived(Uid uid) { got_.add(uid, uid); }
  /// Those of whom nothing could be had.
  [[nodiscard]] const UidSet& left_out() const { return left_out_; }

 private:
  struct Part {
    UidSet uids;
    Items items = Items::all;
    int losses = 0;       ///< of the session, without a row
    bool broken = false;  ///< to be narrowed before it is asked for again
  };

  void begin(const UidSet& wanted);
  [[nodiscard]] bool may_be_a_message(const Error& error);
  void note_loss();
  Result<void> narrow(const Work& work);
  void ask_less(Part part, Uid uid);
  void divide(const UidSet& missing);

  UidSet wanted_;
  std::vector<Part> parts_;  ///< the next one is the last
  UidSet got_;               ///< of the command that runs
  UidSet left_out_;
  std::uint64_t refused_ = 0;
  std::uint64_t refused_in_a_row_ = 0;
};

}  // namespace imapfs::sync
