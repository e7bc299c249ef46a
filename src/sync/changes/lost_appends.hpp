#pragma once
// Uploads of an earlier run: what was sent may have come, and the staged file may have been changed since.
//
// On a pool's thread; no locks.

#include "sync/changes/batch_item.hpp"
#include "sync/changes/command_dependencies.hpp"

namespace imapfs::sync {

/// Looks for what the appends of `items` have sent to `destination`. Those that have come are done, the others can be
/// sent again.
[[nodiscard]] Result<void> look_up_appends(BatchItems& items, const MailboxPointer& destination,
                                           const CommandDependencies& dependencies, imap::Session& session,
                                           const CallContext& context);

}  // namespace imapfs::sync
