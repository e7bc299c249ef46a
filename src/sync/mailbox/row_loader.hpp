#pragma once
// Brings a mailbox's stored rows into its table before somebody needs them, on the store's thread.
//
// Nobody waits for room in the store's queue: where there is none, a timer tries again. Any thread; no lock.

#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

class RowLoader {
 public:
  RowLoader(StoreWriter& store, HelperThread& helper) : store_(store), helper_(helper) {}

  /// Calls `then` when the stored rows are in the table: at once, or on the store's thread. After the account has
  /// stopped it is called without them (Mailboxes::abandon_loads()).
  void with_rows(const MailboxPointer& mailbox, Job then);
  /// A large table was filled: what filling it took goes back to the system, behind the rows in the store's queue.
  void give_back_memory(const MailboxPointer& mailbox);

 private:
  void load(const MailboxPointer& mailbox);

  StoreWriter& store_;
  HelperThread& helper_;
};

}  // namespace imapfs::sync
