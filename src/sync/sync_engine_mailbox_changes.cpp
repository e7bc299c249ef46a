// Mailboxes that are created, deleted and renamed by our user.
//
// Each change has the tree to itself from before its command is sent until the tree shows it: a LIST that runs at the
// same time would show one half of it as news, and give a renamed directory a new id. What others did meanwhile is
// asked for afterwards.
//
// After a lost answer the tree is listed before anybody is told: if the listing shows the change, it has succeeded. If
// there is no connection for that, the tree is listed as soon as there is one.
//
// A change whose turn has not come when its user has been told of a timeout does not begin any more.

#include <algorithm>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/sync/errors.hpp"
#include "sync/changes/changes.hpp"
#include "sync/sync_engine_implementation.hpp"
#include "sync/tree/mailbox_commands.hpp"
#include "sync/tree/server_names.hpp"
#include "sync/tree/tree_builder.hpp"

namespace imapfs::sync {
namespace {

tl::unexpected<Error> forbidden(std::string_view what) {
  return fail(EACCES, Scope::mailbox, Retry::never, "the server does not let you {}", what);
}

/// Nobody has heard what became of the command.
bool is_without_answer(const Error& error) {
  return error.scope >= Scope::session || error.errnum == ETIMEDOUT || error.errnum == EINTR ||
         error.errnum == ECANCELED;
}

bool lies_within(const MailboxTree& tree, MailboxId id, MailboxId ancestor) {
  while (id.value != 0 && id != ancestor) {
    const auto* node = tree.find(id);
    if (node == nullptr) return false;
    id = node->parent;
  }
  return id == ancestor;
}

std::string path_below(const MailboxNode& parent, const std::string& component) {
  return parent.path.empty() ? component : parent.path + "/" + component;
}

}  // namespace

/// A RENAME on its way; `old_node`, `from` and `to` are as of when the tree was entered.
struct EngineImplementation::Renaming {
  MailboxId id;
  MailboxId parent;
  std::string component;
  MailboxNode old_node{};
  ServerName from{};
  ServerName to{};
  std::string new_path{};
  std::optional<MailboxNode> target{};
  bool nothing_to_do = false;
};

// -- the tree --

void EngineImplementation::with_tree(Job job) {
  if (tree_gate_.try_enter()) return job();
  const bool entered = tree_gate_.join([this, job](const Result<void>&) { with_tree(job); });
  // It was left in between: whoever leaves it calls those who wait.
  if (entered) leave_tree();
}

void EngineImplementation::leave_tree() {
  if (tree_gate_.finish({})) relist();
}

template <class T>
Completion<T> EngineImplementation::leaving_tree(Completion<T> done) {
  return [this, done = std::move(done)](Result<T> result) {
    // The server knows more than we do.
    if (!result &&
        (result.error().errnum == EEXIST || result.error().errnum == ENOENT || result.error().errnum == ENOTEMPTY))
      tree_gate_.ask_again();
    leave_tree();
    done(std::move(result));
  };
}

EngineImplementation::Listing EngineImplementation::known_listing() const {
  Listing listing;
  listing.namespaces = known_namespaces();
  const auto mailboxes = tree();
  for (const auto& [id, node] : mailboxes->nodes()) {
    if (node.name.empty() || node.kept) continue;
    imap::ListedMailbox row;
    row.wire_name = node.wire_name;
    row.name = node.name;
    row.delimiter = node.delimiter;
    row.selectable = node.selectable;
    row.may_have_children = node.may_have_children;
    row.subscribed = node.subscribed;
    row.special_use = node.special_use;
    row.status = node.status;
    listing.mailboxes.push_back(std::move(row));
  }
  return listing;
}

std::vector<imap::Namespace> EngineImplementation::known_namespaces() const {
  return tree_.with_lock([](const TreeState& state) { return state.namespaces; });
}

void EngineImplementation::settle_all(std::vector<MailboxId> mailboxes, Completion<void> done) {
  if (mailboxes.empty()) return done({});
  const auto next = mailboxes.back();
  mailboxes.pop_back();
  drain(next, [this, mailboxes = std::move(mailboxes), done = std::move(done)](const Result<void>& result) {
    // Whoever changes a mailbox is told what became of the changes in it.
    if (!result) return done(fail(result.error()));
    settle_all(mailboxes, done);
  });
}

std::vector<MailboxId> EngineImplementation::with_descendants(MailboxId id) const {
  std::vector<MailboxId> ids;
  const auto mailboxes = tree();
  for (const auto& [other, node] : mailboxes->nodes())
    if (node.selectable && lies_within(*mailboxes, other, id)) ids.push_back(other);
  return ids;
}

void EngineImplementation::after_refusal(MailboxId id, const Result<void>& result) {
  if (result || result.error().errnum != EACCES || result.error().scope >= Scope::session) return;
  if (const auto mailbox = find_mailbox(id)) ask_rights(mailbox);
}

// -- answers --

bool EngineImplementation::lists(const Listing& listing, const ServerName& name, bool selectable) {
  return std::any_of(listing.mailboxes.begin(), listing.mailboxes.end(), [&](const auto& row) {
    if (selectable) return row.wire_name == name.wire && row.selectable;
    return row.wire_name == name.wire || name.is_above(row.wire_name);
  });
}

void EngineImplementation::conclude_tree_change(TreeChangeAnswer answer) {
  const auto& result = answer.result;
  const bool unknown = !result && answer.sent && is_without_answer(result.error());
  // Whoever asked may have been told by now that it takes too long.
  const bool late = SteadyClock::now() - answer.began > settings_.timeout / 2;
  if (result) answer.adopt(!answer.lost && !late);
  if (!unknown && !answer.lost) return answer.done(result);
  const auto shared = std::make_shared<TreeChangeAnswer>(std::move(answer));
  submit_listing(imap::Priority::interactive, [this, shared](const Result<Listing>& listing) {
    if (!listing) {
      if (!shared->result)
        tree_.lock()->unresolved.emplace_back([shared](const Listing& later) {
          if (shared->is_made(later)) shared->adopt(false);
        });
      note_outdated();
      return shared->done(shared->result);
    }
    const bool made = !shared->result && shared->is_made(*listing);
    if (made) shared->adopt(false);
    take_listing(*listing);
    shared->done(made ? Result<void>() : shared->result);
  });
}

// -- CREATE --

void EngineImplementation::create_mailbox(MailboxId parent, const std::string& component, Completion<MailboxId> done) {
  if (!journal_) return done(fail(no_journal()));
  const auto in_time = patience();
  with_tree([this, in_time, parent, component, done = leaving_tree(std::move(done))] {
    if (auto waits = in_time.check(); !waits) return done(fail(std::move(waits).error()));
    submit_creation(parent, component, done);
  });
}

void EngineImplementation::submit_creation(MailboxId parent, const std::string& component, Completion<MailboxId> done) {
  const auto mailboxes = tree();
  const auto* node = mailboxes->find(parent);
  if (node == nullptr) return done(fail(no_such_mailbox()));
  if (node->children.contains(component)) return done(fail(EEXIST, "there is one already"));
  auto name = server_name_below(*mailboxes, known_namespaces(), *node, component);
  if (!name) return done(fail(std::move(name).error()));
  if (!rights(parent).create_children) return done(forbidden("create mailboxes here (right k)"));
  auto creation = std::make_shared<MailboxCreation>(*name);
  imap::PoolJob job;
  job.changes = true;
  job.context = patience();
  const auto path = path_below(*node, component);
  job.what = fmt::format("create {}", telemetry::printable(path));
  job.run = [creation](imap::Session& session, const CallContext& context) { return creation->run(session, context); };
  auto answered = [this, name = *name, done = std::move(done)](const Result<void>& result) {
    if (!result) return done(fail(result.error()));
    const auto fresh = tree();
    const auto* created = fresh->find_wire_name(name.wire);
    if (created == nullptr) return done(fail(EIO, "the mailbox was created and is not shown"));
    done(created->id);
  };
  job.done = [this, parent, path, name = *name, creation, began = SteadyClock::now(),
              answered = std::move(answered)](const Result<void>& result) {
    after_refusal(parent, result);
    conclude_tree_change({began, creation->command().sent(), creation->command().lost(), result,
                          [name](const Listing& listing) { return lists(listing, name, true); },
                          [this, name, path](bool kernel_knows) { adopt_creation(name, path, kernel_knows); },
                          answered});
  };
  submit(std::move(job));
}

void EngineImplementation::adopt_creation(const ServerName& name, const std::string& path, bool kernel_knows) {
  auto listing = known_listing();
  imap::ListedMailbox row;
  // A level that LIST had as \Noselect is a mailbox now.
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
  adopt_listing(listing, false, {std::nullopt, path, !kernel_knows});
}

// -- DELETE --

void EngineImplementation::remove_mailbox(MailboxId id, Completion<void> done) {
  if (!journal_) return done(fail(no_journal()));
  if (id.value == 0) return done(fail(EBUSY, "the root cannot be removed"));
  const auto mailbox = find_mailbox(id);
  const bool follows_removal = mailbox && changes_->own_removals().removed_lately(mailbox->replica.identity().name);
  const auto in_time = patience();
  settle_all({id}, [this, in_time, id, follows_removal, done = std::move(done)](const Result<void>& settled) {
    if (!settled) return done(settled);
    auto cleared = [this, in_time, id, done](const Result<void>& result) {
      if (!result) return done(result);
      with_tree([this, in_time, id, done = leaving_tree(done)] {
        if (auto waits = in_time.check(); !waits) return done(std::move(waits));
        submit_removal(id, done);
      });
    };
    if (!follows_removal) return cleared({});
    clear_out(id, std::move(cleared));
  });
}

void EngineImplementation::submit_removal(MailboxId id, Completion<void> done) {
  const auto mailboxes = tree();
  const auto* found = mailboxes->find(id);
  if (found == nullptr) return done(fail(no_such_mailbox()));
  if (is_inbox(found->name)) return done(fail(EBUSY, "INBOX cannot be removed"));
  if (found->name.empty()) return done(fail(ENOTEMPTY, "it holds other mailboxes"));
  if (!rights(id).delete_mailbox) return done(forbidden("delete this mailbox (right x)"));
  const auto node = *found;
  if (node.kept) {
    if (!node.children.empty()) return done(fail(ENOTEMPTY, "it holds other mailboxes"));
    adopt_removal(node, true);
    return done({});
  }
  auto removal = std::make_shared<MailboxRemoval>(ServerName{node.wire_name, node.name, node.delimiter},
                                                  node.selectable);
  imap::PoolJob job;
  job.changes = true;
  job.context = patience();
  job.unmakes = {node.wire_name};
  job.what = fmt::format("delete {}", telemetry::printable(node.path));
  job.run = [removal](imap::Session& session, const CallContext& context) { return removal->run(session, context); };
  job.done = [this, removal, node, began = SteadyClock::now(), done = std::move(done)](const Result<void>& result) {
    after_refusal(node.id, result);
    removal_answered(node, *removal, result, began, done);
  };
  submit(std::move(job));
}

void EngineImplementation::removal_answered(const MailboxNode& node, const MailboxRemoval& removal,
                                            const Result<void>& result, SteadyClock::time_point began,
                                            const Completion<void>& done) {
  if (!result && result.error().errnum == ENOTEMPTY) {
    const auto error = explain_left(node, removal.messages_left(), result.error());
    if (removal.messages_left() > 0)
      telemetry::info("{} is not removed: {}", telemetry::printable(node.path), telemetry::printable(error.what));
    return done(fail(error));
  }
  const ServerName name{node.wire_name, node.name, node.delimiter};
  conclude_tree_change({began, removal.command().sent(), removal.command().lost(), result,
                        [name, node](const Listing& listing) { return !lists(listing, name, node.selectable); },
                        [this, node](bool kernel_knows) { adopt_removal(node, kernel_knows); }, done});
}

/// DELETE would destroy what .deleted still shows, and what can be restored must not go without a word.
Error EngineImplementation::explain_left(const MailboxNode& node, std::uint32_t messages, Error error) const {
  if (error.errnum != ENOTEMPTY || messages == 0) return error;
  const auto messages_known = table(node.id);
  const bool all_flagged = messages_known && messages_known->deleted().size() == messages;
  error.what = fmt::format(
      "it holds {} messages{}: restore or remove them in .deleted; rmdir takes along only what was "
      "removed through this mount, right after the last of it",
      messages, all_flagged ? " that are flagged \\Deleted" : ", listed or flagged \\Deleted");
  return error;
}

void EngineImplementation::adopt_removal(const MailboxNode& node, bool kernel_knows) {
  if (!node.kept)
    if (const auto forgotten = journal_->forget_mailbox(node.name); !forgotten)
      telemetry::warning("journal: {}", telemetry::printable(forgotten.error().what));
  // `rm -r` goes on above it.
  changes_->own_removals().removed(node.name, node.delimiter);
  changes_->own_removals().forget_mailbox(node.name);
  tree_.lock()->levels.erase(node.wire_name);
  auto listing = known_listing();
  std::erase_if(listing.mailboxes, [&](const auto& row) { return row.wire_name == node.wire_name; });
  adopt_listing(listing, false, {node.path, std::nullopt, !kernel_knows});
}

// -- RENAME --

void EngineImplementation::rename_mailbox(MailboxId id, MailboxId new_parent, const std::string& new_component,
                                          Completion<void> done) {
  if (!journal_) return done(fail(no_journal()));
  auto renaming = std::make_shared<Renaming>();
  renaming->id = id;
  renaming->parent = new_parent;
  renaming->component = new_component;
  if (auto possible = prepare(*renaming); !possible) return done(std::move(possible));
  if (renaming->nothing_to_do) return done({});
  auto busy = with_descendants(id);
  if (renaming->target) busy.push_back(renaming->target->id);
  const auto in_time = patience();
  settle_all(std::move(busy), [this, in_time, renaming, done = std::move(done)](const Result<void>& settled) {
    if (!settled) return done(settled);
    with_tree([this, in_time, renaming, done = leaving_tree(done)] {
      if (auto waits = in_time.check(); !waits) return done(std::move(waits));
      // The tree may be another one by now.
      if (auto possible = prepare(*renaming); !possible) return done(std::move(possible));
      if (renaming->nothing_to_do) return done({});
      if (is_kept_only(*tree(), renaming->old_node)) return rename_kept(*renaming, done);
      submit_renaming(renaming, done);
    });
  });
}

Result<void> EngineImplementation::prepare(Renaming& renaming) const {
  const auto mailboxes = tree();
  const auto* node = mailboxes->find(renaming.id);
  const auto* parent = mailboxes->find(renaming.parent);
  if (node == nullptr || parent == nullptr) return fail(no_such_mailbox());
  if (renaming.id.value == 0 || is_inbox(node->name)) return fail(EBUSY, "INBOX cannot be renamed");
  renaming.nothing_to_do = node->parent == renaming.parent && node->component == renaming.component;
  if (renaming.nothing_to_do) return {};
  if (lies_within(*mailboxes, renaming.parent, renaming.id)) return fail(EINVAL, "it would lie within itself");
  auto from = server_name_of(*mailboxes, *node);
  if (!from) return fail(EPERM, "the directory has no name on the server");
  renaming.old_node = *node;
  renaming.from = std::move(*from);
  renaming.to = IMAPFS_TRY(server_name_below(*mailboxes, known_namespaces(), *parent, renaming.component));
  renaming.new_path = path_below(*parent, renaming.component);
  if (!rights(renaming.id).delete_mailbox) return forbidden("rename this mailbox (right x)");
  if (!rights(renaming.parent).create_children) return forbidden("create mailboxes there (right k)");
  renaming.target.reset();
  const auto taken = parent->children.find(renaming.component);
  if (taken == parent->children.end()) return {};
  renaming.target = *mailboxes->find(taken->second);
  if (!renaming.target->children.empty() || renaming.target->name.empty())
    return fail(ENOTEMPTY, "the directory of the new name holds other mailboxes");
  if (!rights(renaming.target->id).delete_mailbox) return forbidden("delete the mailbox of the new name (right x)");
  return {};
}

void EngineImplementation::submit_renaming(const std::shared_ptr<Renaming>& renaming, Completion<void> done) {
  const bool selectable = renaming->old_node.selectable;
  auto command = std::make_shared<MailboxRenaming>(renaming->from, renaming->to, selectable);
  if (renaming->target && !renaming->target->kept) command->replace(renaming->target->selectable);
  imap::PoolJob job;
  job.changes = true;
  job.context = patience();
  job.unmakes = {renaming->from.wire, renaming->to.wire};
  job.what = fmt::format("rename {}", telemetry::printable(renaming->old_node.path));
  job.run = [command](imap::Session& session, const CallContext& context) { return command->run(session, context); };
  job.done = [this, renaming, command, selectable, began = SteadyClock::now(),
              done = std::move(done)](const Result<void>& result) {
    after_refusal(renaming->id, result);
    conclude_tree_change({began, command->sent(), command->lost(), result,
                          [renaming, selectable](const Listing& listing) {
                            return lists(listing, renaming->to, selectable) &&
                                   !lists(listing, renaming->from, selectable);
                          },
                          [this, renaming](bool kernel_knows) {
                            const auto mailboxes = tree();
                            const auto* node = mailboxes->find(renaming->id);
                            if (node == nullptr || node->path != renaming->old_node.path) return;
                            renamed_on_server(*renaming);
                            adopt_renaming(*renaming, kernel_knows);
                          },
                          done});
  };
  submit(std::move(job));
}

void EngineImplementation::renamed_on_server(const Renaming& renaming) {
  if (renaming.target)
    if (const auto forgotten = journal_->forget_mailbox(renaming.target->name); !forgotten)
      telemetry::warning("journal: {}", telemetry::printable(forgotten.error().what));
  changes_->rename_mailbox(renaming.from.name, renaming.to.name, renaming.from.delimiter);
  follow_subscriptions(renaming);
  // Servers differ in what they leave behind: a level under the old name, children that stay.
  tree_gate_.ask_again();
}

/// All that there is of it is here.
void EngineImplementation::rename_kept(const Renaming& renaming, const Completion<void>& done) {
  if (renaming.target && !renaming.target->kept) return done(fail(EEXIST, "a mailbox has the new name"));
  adopt_renaming(renaming, true);
  done({});
}

bool EngineImplementation::is_kept_only(const MailboxTree& tree, const MailboxNode& directory) {
  return directory.kept && std::all_of(directory.children.begin(), directory.children.end(),
                                       [&](const auto& child) { return is_kept_only(tree, *tree.find(child.second)); });
}

void EngineImplementation::adopt_renaming(const Renaming& renaming, bool kernel_knows) {
  const auto before = tree();
  auto listing = known_listing();
  if (renaming.target)
    std::erase_if(listing.mailboxes, [&](const auto& row) { return row.wire_name == renaming.target->wire_name; });
  for (auto& row : listing.mailboxes) rename_row(row, renaming.from, renaming.to);
  {
    auto state = tree_.lock();
    if (renaming.target) state->levels.erase(renaming.target->wire_name);
    for (auto& [name, row] : std::exchange(state->levels, {})) {
      rename_row(row, renaming.from, renaming.to);
      state->levels.insert_or_assign(row.wire_name, row);
    }
    const auto& old_path = renaming.old_node.path;
    for (const auto& [id, node] : before->nodes()) {
      if (!lies_within(*before, id, renaming.id)) continue;
      state->kept_ids.erase(node.path);
      state->kept_ids[renaming.new_path + node.path.substr(old_path.size())] = id;
    }
  }
  adopt_listing(listing, false, {renaming.old_node.path, renaming.new_path, !kernel_knows});
  // Accepted since the mailbox was settled.
  changes_->show_effects_in(renaming.to.name, renaming.to.delimiter);
}

/// In the background: nobody waits for it, and a mailbox that is not subscribed is still there.
void EngineImplementation::follow_subscriptions(const Renaming& renaming) {
  std::vector<std::pair<imap::WireName, imap::WireName>> names{{renaming.from.wire, renaming.to.wire}};
  for (auto& row : known_listing().mailboxes) {
    const auto old_name = row.wire_name;
    if (row.subscribed && renaming.from.is_above(old_name) && rename_row(row, renaming.from, renaming.to))
      names.emplace_back(old_name, row.wire_name);
  }
  imap::PoolJob job;
  job.priority = imap::Priority::background;
  job.context = patience();
  job.what = fmt::format("subscribe to {}", telemetry::printable(renaming.new_path));
  job.run = [names](imap::Session& session, const CallContext& context) -> Result<void> {
    for (const auto& [old_name, new_name] : names) {
      for (const bool subscribed : {true, false}) {
        const auto result = session.subscribe(subscribed ? new_name : old_name, subscribed, context);
        if (!result && result.error().scope >= Scope::session) return fail(result.error());
      }
    }
    return {};
  };
  job.done = [](const Result<void>& result) {
    if (!result) telemetry::debug("subscriptions: {}", telemetry::printable(result.error().what));
  };
  submit(std::move(job));
}

}  // namespace imapfs::sync
