#pragma once
// What commands of ours have brought: one rule for APPEND, COPY and MOVE.
//
// That the server says OK, and even a UID, proves nothing: some recognise a message they have, keep the text they had,
// or do nothing. What has come is a message that is seen in the destination, whose UID is not below the UIDNEXT that
// was noted before the command, that is not what it takes the place of, and that has the size of what was sent. Where
// sizes do not tell, an upload is known by its text (sent_content.hpp), a copy by the UID that was told or by its
// Message-ID. Nothing is removed, and nobody is told of a success, before that.
//
// On a pool's thread; no locks.

#include <string>
#include <string_view>
#include <vector>

#include "imapfs/store/journal.hpp"
#include "sync/changes/command_dependencies.hpp"

namespace imapfs::sync {

/// Where a destination stands before a command brings something there.
struct DestinationPoint {
  UidValidity uid_validity;
  Uid uid_next;  ///< 0: not known
};
/// What we know of the mailbox, or what the selection says, or one STATUS.
[[nodiscard]] Result<DestinationPoint> destination_point(imap::Session& session, const MailboxPointer& destination,
                                                         const CommandDependencies& dependencies,
                                                         const CallContext& context);

/// A message that may be one that we have brought.
struct ArrivalCandidate {
  Uid uid;
  std::uint64_t size = 0;
  UnixTime internal_date = 0;
  std::string message_id;
};
/// The messages of `destination` from `point` on, after it was selected anew: only then is it certain that the server
/// shows what has come. None if it has another UIDVALIDITY now.
[[nodiscard]] Result<std::vector<ArrivalCandidate>> fetch_candidates(imap::Session& session,
                                                                     const MailboxPointer& destination,
                                                                     const DestinationPoint& point,
                                                                     const CommandDependencies& dependencies,
                                                                     const CallContext& context);
/// Those of `uids` that can have come since `point`, as the session, which has `destination` selected, sees it now.
[[nodiscard]] Result<std::vector<ArrivalCandidate>> fetch_candidates_in_view(
    imap::Session& session, const MailboxPointer& destination, const DestinationPoint& point, const UidSet& uids,
    const CommandDependencies& dependencies, const CallContext& context);

/// By size and date, and Message-ID where that of the change is known.
[[nodiscard]] bool is_alike(const store::JournalChange& change, const ArrivalCandidate& candidate);
/// For each change the UID of what it has brought, or 0. Those that are alike; then, for servers that change or
/// misreport sizes, by Message-ID and date, and for those that give copies another date, by Message-ID and size. Each
/// candidate is given once, in order.
[[nodiscard]] std::vector<Uid> match_arrivals(const std::vector<const store::JournalChange*>& changes,
                                              std::vector<ArrivalCandidate> candidates);

/// What COPY or MOVE have brought. `told` has a UID for each change, 0 where the server did not say.
struct BroughtMessages {
  std::vector<Uid> found;        ///< for each change; 0: not seen
  std::size_t unrecognised = 0;  ///< others that have come to the destination
};
[[nodiscard]] Result<BroughtMessages> find_brought_messages(imap::Session& session, const MailboxPointer& destination,
                                                            const DestinationPoint& point,
                                                            const std::vector<const store::JournalChange*>& changes,
                                                            const std::vector<Uid>& told,
                                                            const CommandDependencies& dependencies,
                                                            const CallContext& context);

/// A server that has said OK may take a moment to show what it has done: the pause before that look (from 0). False if
/// the context ends first.
inline constexpr std::size_t looks_at_most = 3;
[[nodiscard]] bool pause_before_look(std::size_t look, const CallContext& context);

/// The Message-ID as it stands in a header block, without white space around it; empty if there is none.
[[nodiscard]] std::string message_id_of(std::string_view header_block);

}  // namespace imapfs::sync
