#pragma once
// Fetches the rows of a set of messages so that a message which the server cannot deliver hides only itself.
//
// A set that is refused, or costs the connection, is requested again in smaller parts, until the message is found that
// fails alone. For that one, less is requested: no header fields, then only flags; if even that fails, it is left out.
// The remaining parts survive a lost session.
//
// Errors: those of the session; a refusal only if so much is refused that no message is the cause. One thread at a
// time.

#include <cstdint>
#include <functional>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

class RowsByParts {
 public:
  /// How much to request of a message.
  enum class Items : std::uint8_t { all, no_header, flags };
  /// What the caller does on its session.
  struct Work {
    /// Runs one command; calls arrived() for each row.
    std::function<Result<void>(const UidSet&, Items)> fetch;
    /// All UIDs of the mailbox, to divide a set.
    std::function<Result<UidSet>()> all_uids;
  };

  /// Fetches all of `wanted`. After an Error of scope session the same set may be requested again; what was learnt
  /// about it is kept.
  Result<void> run(const UidSet& wanted, const Work& work);
  void arrived(Uid uid) { got_.add(uid, uid); }
  /// Messages of which the server delivered nothing.
  [[nodiscard]] const UidSet& left_out() const { return left_out_; }

 private:
  struct Part {
    UidSet uids;
    Items items = Items::all;
    int losses = 0;       ///< sessions lost without a row
    bool broken = false;  ///< must be divided before it is requested again
  };

  void begin(const UidSet& wanted);
  [[nodiscard]] bool may_be_a_message(const Error& error);
  void note_loss();
  Result<void> narrow(const Work& work);
  void ask_less(Part part, Uid uid);
  void divide(const UidSet& missing);

  UidSet wanted_;
  std::vector<Part> parts_;  ///< the last one is next
  UidSet got_;               ///< rows of the running command
  UidSet left_out_;
  std::uint64_t refused_ = 0;
  std::uint64_t refused_in_a_row_ = 0;
};

}  // namespace imapfs::sync
