#include "sync/changes/refusals.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::sync {

Refusals::Refusals(Dependencies dependencies) : dependencies_(std::move(dependencies)) {}

void Refusals::report(const PendingChange& pending, const Error& error) {
  ++count_;
  if (pending.accepted || pending.change.kind == store::JournalChange::Kind::append) return;
  telemetry::error("{} {}: {}", pending.operation, telemetry::printable(pending.path),
                   telemetry::printable(error.what));
  dependencies_.listener.on_change_refused(pending.operation, pending.path, error);
  if (error.errnum == EACCES || error.errnum == EROFS) ask_rights(pending.change);
  dependencies_.waiters.note_unreported({dependencies_.locations.id_of(pending.change.source.mailbox),
                                         dependencies_.locations.id_of(pending.change.destination), error});
}

void Refusals::ask_rights(const store::JournalChange& change) const {
  for (const auto& name : {change.source.mailbox, change.destination})
    if (const auto mailbox = dependencies_.locations.mailbox(name)) dependencies_.ask_rights(mailbox);
}

}  // namespace imapfs::sync
