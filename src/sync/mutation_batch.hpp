#pragma once
// Carries out changes of one kind, of messages of one mailbox, by as few commands as there are; or finds out what
// commands have done whose answer was lost. Runs on a pool's thread with a session of its own; no locks.
//
// Each item ends with an outcome. What has none when run() returns is judged by run()'s Error: not sent, refused, or
// unknown.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "mutation_support.hpp"

namespace imapfs::sync {

struct BatchItem {
  enum class Outcome : std::uint8_t {
    none,
    done,     ///< carried out; `arrived` says where the message is now
    refused,  ///< `error` says why
    look_up,  ///< the server did not say what became of it
    again,    ///< nothing has happened to it: it can be sent again
  };
  store::JournalChange change;
  Outcome outcome = Outcome::none;
  store::JournalLocation arrived;
  Error error;
  bool keeps_staged = false;  ///< of an append that is done: its file holds something else by now
};

/// Where a destination stands before a command brings something there.
struct DestinationPoint {
  UidValidity uid_validity;
  Uid uid_next;  ///< 0: not known
};

/// What batches and uploads need of the rest.
struct MutationTools {
  store::Journal& journal;
  SteadyClock::duration timeout;
  /// Messages that changes of ours have brought, as far as is remembered: no other change has brought those.
  std::function<bool(const store::JournalLocation&)> is_ours;
  /// Makes it one of them. False if it was one: somebody else has found it.
  std::function<bool(const store::JournalLocation&)> claim;
  /// The highest of them, or 0.
  std::function<Uid(const std::string& mailbox, UidValidity validity)> highest_of_ours;
};

class MutationBatch {
 public:
  MutationBatch(std::vector<BatchItem> items, bool look_up, MailboxPointer source, MailboxPointer destination,
                const MutationTools& tools);

  /// May be called again after an Error of scope session with Retry::now: nothing was sent then.
  Result<void> run(imap::Session& session, const CallContext& context);

  [[nodiscard]] std::vector<BatchItem>& items() { return items_; }
  /// A command was sent that cannot simply be sent again.
  [[nodiscard]] bool sent() const { return sent_; }
  [[nodiscard]] bool look_up() const { return look_up_; }
  [[nodiscard]] bool used_move() const { return used_move_; }
  [[nodiscard]] const MailboxPointer& source() const { return source_; }
  [[nodiscard]] const MailboxPointer& destination() const { return destination_; }
  /// Of a batch that brings messages: keeps them from being seen before they have their names.
  std::shared_ptr<ArrivalHold> hold;

 private:
  using Kind = store::JournalChange::Kind;

  Result<void> carry_out(imap::Session& session, const CallContext& context);
  Result<void> select_source(imap::Session& session, const CallContext& context);
  Result<void> store_flags(imap::Session& session, const CallContext& context);
  Result<void> expunge(imap::Session& session, const CallContext& context);
  Result<void> bring(imap::Session& session, const CallContext& context);
  Result<void> remove_brought(imap::Session& session, const CallContext& context);
  Result<void> remove_from_source(imap::Session& session, const UidSet& uids, const CallContext& context);
  void take_copied(const imap::CopiedMessages& copied, bool uidplus);
  Result<void> find_brought(imap::Session& session, const CallContext& context);
  Result<void> look_up_brought(imap::Session& session, const CallContext& context);
  Result<void> look_up_appended(imap::Session& session, const CallContext& context);

  Result<void> describe_sources(imap::Session& session, const CallContext& context, std::vector<bool>& present);
  [[nodiscard]] bool recognisable() const;
  Result<void> make_recognisable(imap::Session& session, const CallContext& context);
  [[nodiscard]] UidSet uids_without_outcome() const;
  void finish_all(const store::JournalLocation& where);

  std::vector<BatchItem> items_;
  const bool look_up_;
  const MailboxPointer source_;       ///< null for appends
  const MailboxPointer destination_;  ///< null for those that bring nothing
  const MutationTools& tools_;
  bool sent_ = false;
  bool used_move_ = false;
};

/// Within `context`, but no longer than one command may take.
[[nodiscard]] CallContext command_context(const CallContext& context, const MutationTools& tools);

/// The point from which on to look for what is about to be brought: what we know of the mailbox, or one STATUS.
[[nodiscard]] Result<DestinationPoint> destination_point(imap::Session& session, const MailboxPointer& destination,
                                                         const MutationTools& tools, const CallContext& context);

/// A message that may be one that we have brought.
struct ArrivalCandidate {
  Uid uid;
  std::uint64_t size = 0;
  UnixTime internal_date = 0;
  std::string message_id;
};
/// The messages of `destination` from `point` on; none if it has another UIDVALIDITY now.
[[nodiscard]] Result<std::vector<ArrivalCandidate>> fetch_candidates(imap::Session& session,
                                                                     const MailboxPointer& destination,
                                                                     const DestinationPoint& point,
                                                                     const MutationTools& tools,
                                                                     const CallContext& context);
/// For each change the UID of what it has brought, or 0. By size and date, and Message-ID where both are known; then,
/// for servers that change or misreport sizes, by Message-ID and date. Each candidate is given once, in order.
[[nodiscard]] std::vector<Uid> match_arrivals(const std::vector<const store::JournalChange*>& changes,
                                              std::vector<ArrivalCandidate> candidates);
/// The Message-ID as it stands in a header block, without white space around it; empty if there is none.
[[nodiscard]] std::string message_id_of(std::string_view header_block);

}  // namespace imapfs::sync
