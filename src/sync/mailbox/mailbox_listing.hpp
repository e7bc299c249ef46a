#pragma once
// The first listing of a mailbox, or the rest of one: which messages a turn asks for, and in which order its rows come.
//
// One chunk per turn. Ranges of UIDs as long as most of them are messages; else the UIDs are searched for first.
// Readers go on after a chunk, so what its rows leave out is asked for before.
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

  /// The mailbox is about to be selected: what was searched for before counts no more.
  void begin_selection() { to_list_.reset(); }
  /// It was selected, for whatever method.
  void begin_order();
  /// It was selected for a listing.
  void begin(const imap::SelectedMailbox& selected);

  /// The next chunk. False: it was the last.
  Result<bool> fetch_next(imap::Session& session, const CallContext& context, const imap::SelectedMailbox& selected);

  /// Rows of an earlier, unfinished listing may have changed since.
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
  /// What is still to be fetched, where the UIDs are too sparse for plain ranges.
  std::optional<UidSet> to_list_;
  bool resumed_ = false;
  std::optional<ModSeq> modseq_;
};

}  // namespace imapfs::sync
