#pragma once
// Opens the mailbox that bodies are fetched from. On the pool's thread.

#include "imapfs/imap/session.hpp"
#include "sync/bodies/body_fetcher.hpp"

namespace imapfs::sync {

/// Selects the mailbox of `wanted`, unless it is selected. ESTALE where its UIDVALIDITY is another one.
Result<void> select_for_reading(const BodyFetcher::Request& wanted, imap::Session& session, const CallContext& context);

}  // namespace imapfs::sync
