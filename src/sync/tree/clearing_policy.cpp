#include "sync/tree/clearing_policy.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/change_kinds.hpp"
#include "sync/mailbox/sync_plan.hpp"
#include "sync/tree/server_names.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {

void ClearingPolicy::clear_out(MailboxId id, Completion<void> done) {
  const auto mailbox = dependencies_.mailboxes.find(id);
  if (!mailbox) return done({});
  const auto& name = mailbox->replica.identity().name;
  const auto validity = mailbox->replica.table()->uid_validity();
  if (is_inbox(name) || dependencies_.changes.own_removals().flagged_in(name, validity).empty()) return done({});
  dependencies_.tree_sync.look([this, mailbox, done = std::move(done)](const Result<void>& looked) {
    if (!looked) return done(looked);
    check_directory(mailbox, done);
  });
}

/// If the mailbox has a child, rmdir will be refused: then remove nothing from it.
void ClearingPolicy::check_directory(const MailboxPointer& mailbox, const Completion<void>& done) {
  const auto id = mailbox->replica.identity().id;
  const auto tree = dependencies_.tree.tree();
  const auto* const node = tree->find(id);
  if (node == nullptr || !node->children.empty() || !dependencies_.rights.of(id).delete_mailbox) return done({});
  dependencies_.syncs.bring_in_step(mailbox, [this, mailbox, done](const Result<void>& in_step) {
    if (!in_step) return done(in_step);
    clear_out_checked(mailbox, done);
  });
}

void ClearingPolicy::clear_out_checked(const MailboxPointer& mailbox, Completion<void> done) {
  const auto& identity = mailbox->replica.identity();
  const auto messages = mailbox->replica.table();
  const auto uids = messages->uids();
  const auto ours = dependencies_.changes.own_removals().flagged_in(identity.name, messages->uid_validity());
  const bool all_ours = messages->complete() && subtract(uids, ours).empty() &&
                        messages->deleted().size() == uids.count();
  if (uids.empty() || !all_ours) return done({});
  const auto trash = place_for_cleared(mailbox);
  if (!trash) {
    telemetry::info("{} is not removed: {}", telemetry::printable(identity.path),
                    telemetry::printable(trash.error().what));
    return done(fail(trash.error()));
  }
  telemetry::info("{} removed messages of {} are {}", uids.count(), telemetry::printable(identity.path),
                  *trash ? "moved to the trash with it" : "expunged with it");
  dependencies_.changes.clear_out(identity.id, uids, *trash, std::move(done));
}

Result<MailboxPointer> ClearingPolicy::place_for_cleared(const MailboxPointer& mailbox) const {
  const auto tree = dependencies_.tree.tree();
  const auto trash = dependencies_.mailboxes.find_name(trash_mailbox(*tree));
  const auto& name = mailbox->replica.identity().wire_name;
  const bool uidplus = dependencies_.server.has("UIDPLUS");
  if (trash && (uidplus || dependencies_.server.has("MOVE"))) {
    const auto& identity = trash->replica.identity();
    const auto* const node = tree->find(identity.id);
    const ServerName above{identity.wire_name, identity.name, node == nullptr ? '\0' : node->delimiter};
    if (name != identity.wire_name && !above.is_above(name)) return trash;
  }
  if (uidplus) return MailboxPointer();
  return fail(
      ENOTEMPTY, Scope::mailbox, Retry::never,
      "it holds messages that are flagged \\Deleted, and the server can neither move nor expunge single messages");
}

}  // namespace imapfs::sync
