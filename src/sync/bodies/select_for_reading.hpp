#pragma once
// Selects the mailbox from which bodies are fetched. On the pool's thread.

#include "imapfs/imap/session.hpp"
#include "sync/bodies/body_fetcher.hpp"

namespace imapfs::sync {

/// Does nothing if the mailbox of `wanted` is selected. ESTALE if it has another UIDVALIDITY.
Result<void> select_for_reading(const BodyFetcher::Request& wanted, imap::Session& session, const CallContext& context);

}  // namespace imapfs::sync
