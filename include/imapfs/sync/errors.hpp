#pragma once
// Errors that are the same wherever they are found out. Pure functions, any thread.

#include "imapfs/base/result.hpp"

namespace imapfs::sync {

[[nodiscard]] inline Error no_such_mailbox() { return {ENOENT, Scope::mailbox, Retry::never, "no such mailbox"}; }
[[nodiscard]] inline Error no_such_message() { return {ENOENT, Scope::message, Retry::never, "no such message"}; }
/// A mount that has no journal takes no changes.
[[nodiscard]] inline Error no_journal() {
  return {EROFS, Scope::request, Retry::never, "changes are not possible: there is no journal"};
}

}  // namespace imapfs::sync
