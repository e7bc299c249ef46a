#pragma once
// Messages that leave a mailbox with it: each by a change of its own, so that a lost answer is looked up and a crash
// takes nothing back.
//
// clear_out() may be called from any thread and returns at once. The requests that are accepted at a time are bounded:
// others must find room in the queue, too. No locks of its own.

#include <functional>
#include <memory>

#include "sync/changes/acceptor.hpp"

namespace imapfs::sync {

class MailboxClearing {
 public:
  struct Dependencies {
    const Locations& locations;
    Acceptor& acceptor;
    std::function<imap::Capabilities()> capabilities;
    bool write_behind;
  };
  explicit MailboxClearing(Dependencies dependencies);

  /// As Changes::clear_out().
  void clear_out(MailboxId mailbox, const UidSet& uids, MailboxPointer trash, Completion<void> done);

 private:
  struct Clearing;
  void clear_out_next(const std::shared_ptr<Clearing>& clearing);
  void clear_out_one(const std::shared_ptr<Clearing>& clearing, Uid uid);
  void move_to_trash(const std::shared_ptr<Clearing>& clearing, const ChangeSource& source);
  [[nodiscard]] Completion<Arrival> ended(const std::shared_ptr<Clearing>& clearing);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
