// What a mailbox that is removed takes along: messages that its user has removed through this mount, if it holds no
// others.

#include "imapfs/base/telemetry.hpp"
#include "sync/changes/changes.hpp"
#include "sync/mailbox/sync_plan.hpp"
#include "sync/sync_engine_implementation.hpp"
#include "sync/tree/server_names.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {

void EngineImplementation::clear_out(MailboxId id, Completion<void> done) {
  const auto mailbox = find_mailbox(id);
  if (!mailbox) return done({});
  const auto& name = mailbox->replica.identity().name;
  const auto validity = mailbox->replica.table()->uid_validity();
  if (is_inbox(name) || changes_->own_removals().flagged_in(name, validity).empty()) return done({});
  // With a child that others have made, rmdir is refused: then nothing is taken away.
  with_tree([this, id, mailbox, done = std::move(done)] {
    submit_listing(imap::Priority::interactive, [this, id, mailbox, done](const Result<Listing>& listing) {
      if (listing) take_listing(*listing);
      leave_tree();
      if (!listing) return done(fail(listing.error()));
      const auto mailboxes = tree();
      const auto* const node = mailboxes->find(id);
      if (node == nullptr || !node->children.empty() || !rights(id).delete_mailbox) return done({});
      bring_in_step(mailbox, [this, mailbox, done](const Result<void>& in_step) {
        if (!in_step) return done(in_step);
        clear_out_checked(mailbox, done);
      });
    });
  });
}

void EngineImplementation::clear_out_checked(const MailboxPointer& mailbox, Completion<void> done) {
  const auto& identity = mailbox->replica.identity();
  const auto messages = mailbox->replica.table();
  const auto uids = messages->uids();
  const auto ours = changes_->own_removals().flagged_in(identity.name, messages->uid_validity());
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
  changes_->clear_out(identity.id, uids, *trash, std::move(done));
}

/// The trash, or null: they are expunged.
Result<MailboxPointer> EngineImplementation::place_for_cleared(const MailboxPointer& mailbox) const {
  const auto mailboxes = tree();
  const auto trash = find_mailbox_named(trash_mailbox(*mailboxes));
  const auto& name = mailbox->replica.identity().wire_name;
  const auto capabilities = traits_.with_lock(
      [](const auto& traits) { return traits ? traits->capabilities : imap::Capabilities(); });
  const bool uidplus = capabilities.has("UIDPLUS");
  if (trash && (uidplus || capabilities.has("MOVE"))) {
    const auto& identity = trash->replica.identity();
    const auto* const node = mailboxes->find(identity.id);
    const ServerName above{identity.wire_name, identity.name, node == nullptr ? '\0' : node->delimiter};
    if (name != identity.wire_name && !above.is_above(name)) return trash;
  }
  if (uidplus) return MailboxPointer();
  return fail(
      ENOTEMPTY, Scope::mailbox, Retry::never,
      "it holds messages that are flagged \\Deleted, and the server can neither move nor expunge single messages");
}

}  // namespace imapfs::sync
