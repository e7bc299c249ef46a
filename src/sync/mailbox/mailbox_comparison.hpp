#pragma once
// Compares the messages that an answer names with the table: fetches missing messages and removes the ones that are
// gone.
//
// A message that the answer does not name is removed only if the server's count agrees with the other messages. It is
// first looked up by its UID if the count does not agree, or if more than half of the mailbox would go.
//
// Errors: those of the session. One thread at a time; blocks within the CallContext.

#include <cstdint>

#include "sync/mailbox/message_fetch.hpp"

namespace imapfs::sync {

class MailboxComparison {
 public:
  /// How messages were named: by rows, which contain their UIDs, or by SEARCH, which some servers answer with other
  /// numbers.
  enum class By : std::uint8_t { rows, search };

  /// `uid_next`: from this UID on there may be messages unknown to the table. `order`: that of the running listing, or
  /// null.
  MailboxComparison(MailboxReplica& replica, MessageFetch& fetch, Uid uid_next, ListingOrder* order)
      : replica_(replica), fetch_(fetch), uid_next_(uid_next), order_(order) {}

  /// `named` should be every message of the mailbox. Returns false, and removes nothing, if it stays unclear which
  /// messages are there.
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
