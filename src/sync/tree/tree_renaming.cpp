#include "sync/tree/tree_renaming.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/tree/mailbox_commands.hpp"
#include "sync/tree/tree_builder.hpp"
#include "sync/tree/tree_paths.hpp"

namespace imapfs::sync {
namespace {

/// Pairs of old and new names.
using Subscriptions = std::vector<std::pair<imap::WireName, imap::WireName>>;

Result<void> move_subscriptions(const Subscriptions& names, imap::Session& session, const CallContext& context) {
  for (const auto& [old_name, new_name] : names) {
    for (const bool subscribed : {true, false}) {
      const auto result = session.subscribe(subscribed ? new_name : old_name, subscribed, context);
      if (!result && result.error().lost_connection()) return fail(result.error());
    }
  }
  return {};
}

}  // namespace

void TreeRenaming::rename(MailboxId id, MailboxId new_parent, const std::string& new_component, Completion<void> done) {
  const Wanted wanted{id, new_parent, new_component};
  const auto plan = prepare(wanted);
  if (!plan) return done(fail(plan.error()));
  if (plan->nothing_to_do) return done({});
  auto busy = mailboxes_within(id);
  if (plan->target) busy.push_back(plan->target->id);
  const auto in_time = dependencies_.server.patience();
  dependencies_.change_requests.drain_all(
      std::move(busy), [this, in_time, wanted, done = std::move(done)](const Result<void>& drained) {
        if (!drained) return done(drained);
        dependencies_.tree_sync.change<void>(in_time, done, [this, wanted](const Completion<void>& leave) {
          // The tree may have changed meanwhile.
          const auto plan_now = prepare(wanted);
          if (!plan_now) return leave(fail(plan_now.error()));
          carry_out(*plan_now, leave);
        });
      });
}

Result<TreeRenaming::Plan> TreeRenaming::prepare(const Wanted& wanted) const {
  const auto tree = dependencies_.tree.tree();
  const auto* node = tree->find(wanted.id);
  const auto* parent = tree->find(wanted.parent);
  if (node == nullptr || parent == nullptr) return fail(no_such_mailbox());
  if (wanted.id.value == 0 || is_inbox(node->name)) return fail(EBUSY, "INBOX cannot be renamed");
  Plan plan;
  plan.nothing_to_do = node->parent == wanted.parent && node->component == wanted.component;
  if (plan.nothing_to_do) return plan;
  if (lies_within(*tree, wanted.parent, wanted.id)) return fail(EINVAL, "it would lie within itself");
  auto from = server_name_of(*tree, *node);
  if (!from) return fail(EPERM, "the directory has no name on the server");
  plan.node = *node;
  plan.from = std::move(*from);
  plan.to = IMAPFS_TRY(server_name_below(*tree, dependencies_.tree.namespaces(), *parent, wanted.component));
  plan.new_path = path_below(*parent, wanted.component);
  if (!dependencies_.rights.of(wanted.id).delete_mailbox) return fail(forbidden("rename this mailbox (right x)"));
  if (!dependencies_.rights.of(wanted.parent).create_children)
    return fail(forbidden("create mailboxes there (right k)"));
  plan.target = IMAPFS_TRY(target_of(wanted, *tree));
  return plan;
}

Result<std::optional<MailboxNode>> TreeRenaming::target_of(const Wanted& wanted, const MailboxTree& tree) const {
  const auto& siblings = tree.find(wanted.parent)->children;
  const auto taken = siblings.find(wanted.component);
  if (taken == siblings.end()) return std::nullopt;
  const auto& target = *tree.find(taken->second);
  if (!target.children.empty() || target.name.empty())
    return fail(ENOTEMPTY, "the directory of the new name holds other mailboxes");
  if (!dependencies_.rights.of(target.id).delete_mailbox)
    return fail(forbidden("delete the mailbox of the new name (right x)"));
  return target;
}

std::vector<MailboxId> TreeRenaming::mailboxes_within(MailboxId directory) const {
  std::vector<MailboxId> ids;
  const auto tree = dependencies_.tree.tree();
  for (const auto& [id, node] : tree->nodes())
    if (node.selectable && lies_within(*tree, id, directory)) ids.push_back(id);
  return ids;
}

void TreeRenaming::carry_out(const Plan& plan, const Completion<void>& done) {
  if (plan.nothing_to_do) return done({});
  if (is_kept_only(*dependencies_.tree.tree(), plan.node)) return rename_kept(plan, done);
  send(plan, done);
}

bool TreeRenaming::is_kept_only(const MailboxTree& tree, const MailboxNode& directory) {
  return directory.kept && std::all_of(directory.children.begin(), directory.children.end(),
                                       [&](const auto& child) { return is_kept_only(tree, *tree.find(child.second)); });
}

void TreeRenaming::rename_kept(const Plan& plan, const Completion<void>& done) {
  if (plan.target && !plan.target->kept) return done(fail(EEXIST, "a mailbox has the new name"));
  show(plan, true);
  done({});
}

void TreeRenaming::send(const Plan& plan, const Completion<void>& done) {
  const bool selectable = plan.node.selectable;
  const auto command = std::make_shared<MailboxRenaming>(plan.from, plan.to, selectable);
  if (plan.target && !plan.target->kept) command->replace(plan.target->selectable);
  dependencies_.server.ask<void>(
      {.what = fmt::format("rename {}", telemetry::printable(plan.node.path)),
       .changes = true,
       .unmakes = {plan.from.wire, plan.to.wire}},
      [command](imap::Session& session, const CallContext& context) { return command->run(session, context); },
      [this, plan, command, selectable, began = SteadyClock::now(), done](const Result<void>& result) {
        dependencies_.rights_questions.after_change(dependencies_.mailboxes.find(plan.node.id), result);
        dependencies_.outcome.conclude({began, command->sent(), command->lost(), result,
                                        [plan, selectable](const Listing& listing) {
                                          return lists(listing, plan.to, selectable) &&
                                                 !lists(listing, plan.from, selectable);
                                        },
                                        [this, plan](bool kernel_knows) { follow(plan, kernel_knows); }, done});
      });
}

void TreeRenaming::follow(const Plan& plan, bool kernel_knows) {
  const auto tree = dependencies_.tree.tree();
  const auto* node = tree->find(plan.node.id);
  if (node == nullptr || node->path != plan.node.path) return;
  if (plan.target)
    if (const auto forgotten = dependencies_.journal.forget_mailbox(plan.target->name); !forgotten)
      telemetry::warning("journal: {}", telemetry::printable(forgotten.error().what));
  dependencies_.changes.rename_mailbox(plan.from.name, plan.to.name, plan.from.delimiter);
  follow_subscriptions(plan);
  // Servers leave different things behind: a level under the old name, or children.
  dependencies_.tree_sync.ask_again();
  show(plan, kernel_knows);
}

void TreeRenaming::show(const Plan& plan, bool kernel_knows) {
  auto listing = dependencies_.tree.listing();
  if (plan.target) {
    std::erase_if(listing.mailboxes, [&](const auto& row) { return row.wire_name == plan.target->wire_name; });
    dependencies_.tree.forget_level(plan.target->wire_name);
  }
  for (auto& row : listing.mailboxes) rename_row(row, plan.from, plan.to);
  dependencies_.tree.move(plan.node, plan.new_path, plan.from, plan.to);
  dependencies_.tree.adopt(listing, {plan.node.path, plan.new_path, !kernel_knows});
  // Changes may have been accepted since the mailbox was drained.
  dependencies_.changes.show_effects_in(plan.to.name, plan.to.delimiter);
}

/// In the background: nobody waits for it, and a mailbox without subscription still exists.
void TreeRenaming::follow_subscriptions(const Plan& plan) {
  Subscriptions names{{plan.from.wire, plan.to.wire}};
  auto listing = dependencies_.tree.listing();
  for (auto& row : listing.mailboxes) {
    const auto old_name = row.wire_name;
    if (row.subscribed && plan.from.is_above(old_name) && rename_row(row, plan.from, plan.to))
      names.emplace_back(old_name, row.wire_name);
  }
  dependencies_.server.ask<void>(
      {.what = fmt::format("subscribe to {}", telemetry::printable(plan.new_path)),
       .priority = imap::Priority::background},
      [names](imap::Session& session, const CallContext& context) {
        return move_subscriptions(names, session, context);
      },
      [](const Result<void>& result) {
        if (!result) telemetry::debug("subscriptions: {}", telemetry::printable(result.error().what));
      });
}

}  // namespace imapfs::sync
