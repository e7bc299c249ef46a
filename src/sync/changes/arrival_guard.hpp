#pragma once
// Keeps new rows of a destination held back for as long as somebody may still have to say which of them our changes
// have brought.
//
// Destroyed without a lock held: that shows the rows. Any thread.

#include "sync/changes/change_kinds.hpp"

namespace imapfs::sync {

class ArrivalGuard {
 public:
  explicit ArrivalGuard(MailboxPointer destination);
  ~ArrivalGuard();
  ArrivalGuard(const ArrivalGuard&) = delete;
  ArrivalGuard& operator=(const ArrivalGuard&) = delete;

 private:
  const MailboxPointer destination_;
};

}  // namespace imapfs::sync
