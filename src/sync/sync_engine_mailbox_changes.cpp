// Mailboxes that are created, deleted and renamed by our user.

#include "sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

Error read_only() { return {EROFS, Scope::request, Retry::never, "changes are not possible"}; }

}  // namespace

void EngineImplementation::create_mailbox(MailboxId, const std::string&, Completion<MailboxId> done) {
  done(fail(read_only()));
}
void EngineImplementation::remove_mailbox(MailboxId, Completion<void> done) { done(fail(read_only())); }
void EngineImplementation::rename_mailbox(MailboxId, MailboxId, const std::string&, Completion<void> done) {
  done(fail(read_only()));
}

}  // namespace imapfs::sync
