#pragma once
// The first listing of a mailbox, or the rest of one: which messages each turn asks for, and in which order rows come.
//
// One chunk per turn. Chunks are ranges of UIDs if most UIDs are messages; else SEARCH finds the UIDs first. Readers
// continue after each chunk, so rows that it left out are fetched before it ends.
//
// Errors: those of the session. One thread at a time; blocks within the CallContext.

#include <cstdint>
#include <optional>

#include "sync/mailbox/listing_order.hpp"
#include "sync/mailbox/message_fetch.hpp"

namespace imapfs::sync {

class MailboxListing {
 public:
  MailboxListing(MailboxReplica& replica, MessageFetch& fetch) : replica_(replica), fetch_(fetch) {}

  /// The mailbox is about to be selected: forgets the UIDs found earlier.
  void begin_selection() { to_list_.reset(); }
  /// The mailbox was selected, for any method.
  void begin_order();
  /// The mailbox was selected for a listing.
  void begin(const imap::SelectedMailbox& selected);

  /// Fetches the next chunk. False: it was the last.
  Result<bool> fetch_next(imap::Session& session, const CallContext& context, const imap::SelectedMailbox& selected);

  /// Whether the listing continues an unfinished one, whose rows may have changed since.
  [[nodiscard]] bool resumed() const { return resumed_; }
  [[nodiscard]] ListingOrder& order() { return order_; }

 private:
  struct Chunk {
    UidSet uids;
    bool last = true;
  };
  Result<Chunk> next_chunk(imap::Session& session, const CallContext& context, const imap::SelectedMailbox& selected);
  Result<void> fetch_chunk(imap::Session& session, const CallContext& context, const Chunk& chunk);

  MailboxReplica& replica_;
  MessageFetch& fetch_;
  ListingOrder order_;
  /// The UIDs still to be fetched, if they are too sparse for plain ranges.
  std::optional<UidSet> to_list_;
  bool resumed_ = false;
  std::optional<ModSeq> modseq_;
};

}  // namespace imapfs::sync
