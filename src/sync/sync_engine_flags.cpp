// Flags set by our user, and what the server lets us do.

#include "sync_engine_implementation.hpp"

namespace imapfs::sync {
namespace {

Error read_only() { return {EROFS, Scope::request, Retry::never, "changes are not possible"}; }

}  // namespace

MailboxRights EngineImplementation::rights(MailboxId) const { return {}; }
std::optional<std::uint64_t> EngineImplementation::append_limit() const { return std::nullopt; }
void EngineImplementation::set_flags(const MessageLocation&, const FlagChange&, Completion<void> done) {
  done(fail(read_only()));
}

}  // namespace imapfs::sync
