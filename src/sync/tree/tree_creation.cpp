#include "sync/tree/tree_creation.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/tree/mailbox_commands.hpp"
#include "sync/tree/tree_paths.hpp"

namespace imapfs::sync {

void TreeCreation::create(MailboxId parent, const std::string& component, Completion<MailboxId> done) {
  dependencies_.tree_sync.change<MailboxId>(dependencies_.server.patience(), std::move(done),
                                            [this, parent, component](const Completion<MailboxId>& leave) {
                                              const auto target = prepare(parent, component);
                                              if (!target) return leave(fail(target.error()));
                                              send(*target, leave);
                                            });
}

Result<TreeCreation::Target> TreeCreation::prepare(MailboxId parent, const std::string& component) const {
  const auto tree = dependencies_.tree.tree();
  const auto* node = tree->find(parent);
  if (node == nullptr) return fail(no_such_mailbox());
  if (node->children.contains(component)) return fail(EEXIST, "there is one already");
  auto name = IMAPFS_TRY(server_name_below(*tree, dependencies_.tree.namespaces(), *node, component));
  if (!dependencies_.rights.of(parent).create_children) return fail(forbidden("create mailboxes here (right k)"));
  return Target{parent, std::move(name), path_below(*node, component)};
}

void TreeCreation::send(const Target& target, const Completion<MailboxId>& done) {
  const auto command = std::make_shared<MailboxCreation>(target.name);
  auto ended = [this, target, done](const Result<void>& result) {
    done(result ? created(target) : Result<MailboxId>(fail(result.error())));
  };
  dependencies_.server.ask<void>(
      {.what = fmt::format("create {}", telemetry::printable(target.path)), .changes = true},
      [command](imap::Session& session, const CallContext& context) { return command->run(session, context); },
      [this, target, command, began = SteadyClock::now(), ended = std::move(ended)](const Result<void>& result) {
        dependencies_.rights_questions.after_change(dependencies_.mailboxes.find(target.parent), result);
        dependencies_.outcome.conclude(
            {began, command->command().sent(), command->command().lost(), result,
             [name = target.name](const Listing& listing) { return lists(listing, name, true); },
             [this, target](bool kernel_knows) { show(target, kernel_knows); }, ended});
      });
}

void TreeCreation::show(const Target& target, bool kernel_knows) {
  const auto& name = target.name;
  auto listing = dependencies_.tree.listing();
  imap::ListedMailbox row;
  // If LIST had the name as a \Noselect level, it is a mailbox now.
  const auto known = std::find_if(listing.mailboxes.begin(), listing.mailboxes.end(),
                                  [&](const auto& other) { return other.wire_name == name.wire; });
  if (known != listing.mailboxes.end()) {
    row = std::move(*known);
    listing.mailboxes.erase(known);
  }
  row.wire_name = name.wire;
  row.name = name.name;
  row.delimiter = name.delimiter;
  row.selectable = row.subscribed = true;
  listing.mailboxes.push_back(row);
  dependencies_.tree.adopt(listing, {std::nullopt, target.path, !kernel_knows});
}

Result<MailboxId> TreeCreation::created(const Target& target) const {
  const auto tree = dependencies_.tree.tree();
  const auto* node = tree->find_wire_name(target.name.wire);
  if (node == nullptr) return fail(EIO, "the mailbox was created and is not shown");
  return node->id;
}

}  // namespace imapfs::sync
