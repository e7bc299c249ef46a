#pragma once
// Compares the messages that an answer has named with those of the table: fetches what is missing, removes what has
// gone.
//
// A message that an answer does not name is removed only if the server counts no more than the others, and is asked for
// by its UID first where the count does not say so, or where more than half of the mailbox would go.
//
// Errors: those of the session. One thread at a time; blocks within the CallContext.

#include <cstdint>

#include "sync/mailbox/message_fetch.hpp"

namespace imapfs::sync {

class MailboxComparison {
 public:
  /// What has named messages: rows say which they are about, and a server may answer SEARCH with other numbers than
  /// UIDs.
  enum class By : std::uint8_t { rows, search };

  /// `uid_next`: from where on there may be messages that the table does not know. `order`: of the listing that goes
  /// on; null: none does.
  MailboxComparison(MailboxReplica& replica, MessageFetch& fetch, Uid uid_next, ListingOrder* order)
      : replica_(replica), fetch_(fetch), uid_next_(uid_next), order_(order) {}

  /// Whether it is clear what is there by `named`, which should be every message of the mailbox. If it is not, nothing
  /// was removed.
  Result<bool> reconcile(imap::Session& session, const CallContext& context, const UidSet& named, By by);

 private:
  Result<bool> remove_absent(imap::Session& session, const CallContext& context, UidSet absent, const UidSet& named,
                             By by);
  Result<UidSet> present_of(imap::Session& session, const CallContext& context, const UidSet& uids);

  MailboxReplica& replica_;
  MessageFetch& fetch_;
  const Uid uid_next_;
  ListingOrder* const order_;
};

}  // namespace imapfs::sync
