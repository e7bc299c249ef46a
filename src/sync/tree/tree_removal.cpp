#include "sync/tree/tree_removal.hpp"

#include <memory>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {

void TreeRemoval::remove(MailboxId id, Completion<void> done) {
  if (id.value == 0) return done(fail(EBUSY, "the root cannot be removed"));
  const auto in_time = dependencies_.server.patience();
  auto cleared = [this, in_time, id, done](const Result<void>& result) {
    if (!result) return done(result);
    dependencies_.tree_sync.change<void>(in_time, done, [this, id](const Completion<void>& leave) {
      const auto node = prepare(id);
      if (!node) return leave(fail(node.error()));
      remove_prepared(*node, leave);
    });
  };
  dependencies_.change_requests.drain_all(
      {id}, [this, id, takes_along = follows_removal(id), cleared = std::move(cleared)](const Result<void>& drained) {
        if (!drained || !takes_along) return cleared(drained);
        dependencies_.clearing.clear_out(id, cleared);
      });
}

bool TreeRemoval::follows_removal(MailboxId id) const {
  const auto mailbox = dependencies_.mailboxes.find(id);
  return mailbox && dependencies_.changes.own_removals().removed_lately(mailbox->replica.identity().name);
}

Result<MailboxNode> TreeRemoval::prepare(MailboxId id) const {
  const auto tree = dependencies_.tree.tree();
  const auto* node = tree->find(id);
  if (node == nullptr) return fail(no_such_mailbox());
  if (is_inbox(node->name)) return fail(EBUSY, "INBOX cannot be removed");
  if (node->name.empty()) return fail(ENOTEMPTY, "it holds other mailboxes");
  if (!dependencies_.rights.of(id).delete_mailbox) return fail(forbidden("delete this mailbox (right x)"));
  if (node->kept && !node->children.empty()) return fail(ENOTEMPTY, "it holds other mailboxes");
  return *node;
}

void TreeRemoval::remove_prepared(const MailboxNode& node, const Completion<void>& done) {
  if (node.kept) {
    show(node, true);
    return done({});
  }
  const auto command = std::make_shared<MailboxRemoval>(ServerName{node.wire_name, node.name, node.delimiter},
                                                        node.selectable);
  dependencies_.server.ask<void>(
      {.what = fmt::format("delete {}", telemetry::printable(node.path)), .changes = true, .unmakes = {node.wire_name}},
      [command](imap::Session& session, const CallContext& context) { return command->run(session, context); },
      [this, command, node, began = SteadyClock::now(), done](const Result<void>& result) {
        dependencies_.rights_questions.after_change(dependencies_.mailboxes.find(node.id), result);
        answered(node, *command, result, began, done);
      });
}

void TreeRemoval::answered(const MailboxNode& node, const MailboxRemoval& command, const Result<void>& result,
                           SteadyClock::time_point began, const Completion<void>& done) {
  if (!result && result.error().errnum == ENOTEMPTY) {
    const auto error = explain_left(node, command.messages_left(), result.error());
    if (command.messages_left() > 0)
      telemetry::info("{} is not removed: {}", telemetry::printable(node.path), telemetry::printable(error.what));
    return done(fail(error));
  }
  const ServerName name{node.wire_name, node.name, node.delimiter};
  dependencies_.outcome.conclude(
      {began, command.command().sent(), command.command().lost(), result,
       [name, node](const Listing& listing) { return !lists(listing, name, node.selectable); },
       [this, node](bool kernel_knows) { show(node, kernel_knows); }, done});
}

/// DELETE would destroy messages that .deleted still shows; they must not go unnoticed, because they can be restored.
Error TreeRemoval::explain_left(const MailboxNode& node, std::uint32_t messages, Error error) const {
  if (messages == 0) return error;
  const auto mailbox = dependencies_.mailboxes.find(node.id);
  const bool all_flagged = mailbox && mailbox->replica.table()->deleted().size() == messages;
  error.what = fmt::format(
      "it holds {} messages{}: restore or remove them in .deleted; rmdir takes along only what was "
      "removed through this mount, right after the last of it",
      messages, all_flagged ? " that are flagged \\Deleted" : ", listed or flagged \\Deleted");
  return error;
}

void TreeRemoval::show(const MailboxNode& node, bool kernel_knows) {
  if (!node.kept)
    if (const auto forgotten = dependencies_.journal.forget_mailbox(node.name); !forgotten)
      telemetry::warning("journal: {}", telemetry::printable(forgotten.error().what));
  // So that `rm -r` can go on above it.
  dependencies_.changes.own_removals().removed(node.name, node.delimiter);
  dependencies_.changes.own_removals().forget_mailbox(node.name);
  dependencies_.tree.forget_level(node.wire_name);
  auto listing = dependencies_.tree.listing();
  std::erase_if(listing.mailboxes, [&](const auto& row) { return row.wire_name == node.wire_name; });
  dependencies_.tree.adopt(listing, {node.path, std::nullopt, !kernel_knows});
}

}  // namespace imapfs::sync
