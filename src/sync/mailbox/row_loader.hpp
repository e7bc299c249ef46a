#pragma once
// Loads a mailbox's stored rows into its table when they are needed, on the store's thread.
//
// Never waits for room in the store's queue: a timer tries again. Any thread; no lock.

#include "sync/helper_thread.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

class RowLoader {
 public:
  RowLoader(StoreWriter& store, HelperThread& helper) : store_(store), helper_(helper) {}

  /// Calls `then` when the stored rows are in the table: at once, or on the store's thread. After the account has
  /// stopped, it is called without them (Mailboxes::abandon_loads()).
  void with_rows(const MailboxPointer& mailbox, Job then);
  /// After a large table was filled: gives unused memory back to the system, once the store has written the rows.
  void give_back_memory(const MailboxPointer& mailbox);

 private:
  void load(const MailboxPointer& mailbox);

  StoreWriter& store_;
  HelperThread& helper_;
};

}  // namespace imapfs::sync
