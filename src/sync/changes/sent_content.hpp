#pragma once
// What was sent by an APPEND, as its bytes tell: by these, and by nothing less, it is found again on the server. A
// later version of the same file has the same Message-ID, and may have the same length and date.
//
// On a pool's thread; no locks.

#include <string>
#include <vector>

#include "sync/changes/arrivals.hpp"

namespace imapfs::sync {

struct SentContent {
  std::uint64_t size = 0;
  std::string digest;
};

/// Of a staged file with CRLF line ends, as APPEND sends it.
[[nodiscard]] Result<SentContent> content_to_send(const std::string& staging_path);

/// Whether `content` is what the change has sent. By its length alone for a change whose journal knew no digests.
[[nodiscard]] bool was_sent_by(const store::JournalChange& change, const SentContent& content);

/// The first of `candidates`, which are in the selected mailbox, that is what the APPEND has sent and that no other
/// change claims; it is claimed then. Uid 0: none. Bodies of those that may be it are fetched and compared, a bounded
/// number of them: what is beyond that is not it.
[[nodiscard]] Result<Uid> find_sent(imap::Session& session, const MailboxPointer& destination,
                                    const store::JournalChange& change, std::vector<ArrivalCandidate> candidates,
                                    const CommandDependencies& dependencies, const CallContext& context);

/// The same after the server has answered OK. `told`: the UID it named, or 0. What has the length and the Message-ID
/// that were sent need not be compared byte by byte then, unless the message that is replaced has that length too:
/// some servers answer OK and keep the text they had. What has another length is it if it has the text that was sent,
/// whatever fields and line ends the server has added (message_essence.hpp).
[[nodiscard]] Result<Uid> find_accepted(imap::Session& session, const MailboxPointer& destination,
                                        const store::JournalChange& change, Uid told,
                                        std::vector<ArrivalCandidate> candidates,
                                        const CommandDependencies& dependencies, const CallContext& context);

}  // namespace imapfs::sync
