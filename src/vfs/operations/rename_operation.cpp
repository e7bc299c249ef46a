#include "vfs/operations/rename_operation.hpp"

#include <cstdio>
#include <optional>
#include <utility>

#include "imapfs/base/on_success.hpp"
#include "imapfs/sync/errors.hpp"
#include "vfs/staging/backup_names.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

constexpr unsigned no_replace = RENAME_NOREPLACE;

bool is_local(const Node& node) { return node.meaning.kind == NodeMeaning::Kind::local_directory; }

bool is_message(const NamedFile& file) {
  return file.kind == NamedFile::Kind::message || file.kind == NamedFile::Kind::pending;
}

}  // namespace

/// One rename on its way.
struct RenameOperation::Operation {
  Caller caller;
  Node parent;
  Node new_parent;
  RenameRequest request;
  Reply<void> reply;
  NamedFile source;
  NamedFile target;

  void refuse(Error error) const { reply(fail(std::move(error))); }
  /// Until the reply nothing new is uploaded as the message that is replaced.
  void keep(Staging::Hold hold) {
    reply = [hold = std::make_shared<Staging::Hold>(std::move(hold)), answer = std::move(reply)](Result<void> result) {
      answer(std::move(result));
      hold->reset();
    };
  }
  [[nodiscard]] MailboxId new_mailbox() const { return new_parent.meaning.mailbox; }
};

void RenameOperation::rename(const Caller& caller, const Directories& directories, const RenameRequest& request,
                             Reply<void> reply) {
  if ((request.flags & ~no_replace) != 0) {
    return reply(fail(EINVAL, "names cannot be exchanged or whited out here"));
  }
  auto operation = std::make_shared<Operation>(
      Operation{caller, directories.from, directories.to, request, std::move(reply), {}, {}});
  const auto found_target = [this, operation](NamedFile target) {
    operation->target = std::move(target);
    with_quiet_target(operation);
  };
  const auto found_source = [this, operation, found_target](NamedFile source) {
    operation->source = std::move(source);
    names_.find(operation->new_parent, operation->request.new_name, on_success(operation->reply, found_target));
  };
  names_.find(operation->parent, request.name, on_success(operation->reply, found_source));
}

/// A new version of what is to be replaced may be on its way.
void RenameOperation::with_quiet_target(const std::shared_ptr<Operation>& operation) {
  const auto& target = operation->target;
  if (!is_message(target) || target.node == operation->source.node) return resolved(operation);
  dependencies_.staging->names().hold(target.node, [this, operation](Staging::Hold hold) {
    operation->target = names_.as_it_is_now(std::move(operation->target));
    operation->keep(std::move(hold));
    resolved(operation);
  });
}

/// What rename(2) says whatever the files are.
Result<void> RenameOperation::check(const Operation& operation) const {
  const auto& source = operation.source;
  const auto& target = operation.target;
  if (source.kind == NamedFile::Kind::nothing) return fail(ENOENT, "no such name");
  if (source.kind == NamedFile::Kind::fixed) return fail(EPERM, "this name cannot be changed");
  if (operation.new_parent.meaning.kind == NodeMeaning::Kind::deleted) {
    return fail(EPERM, "messages come to .deleted by rm, not by mv");
  }
  if (!operation.new_parent.meaning.is_in_tree() && !is_local(operation.new_parent)) {
    return fail(EPERM, "nothing can be moved there");
  }
  if (target.kind == NamedFile::Kind::nothing) return {};
  if ((operation.request.flags & no_replace) != 0) return fail(EEXIST, "the name is taken");
  if (target.kind == NamedFile::Kind::fixed) return fail(EPERM, "this name cannot be replaced");
  if (source.is_directory && !target.is_directory) return fail(ENOTDIR, "not a directory");
  if (!source.is_directory && target.is_directory) return fail(EISDIR, "a directory");
  return {};
}

void RenameOperation::resolved(const OperationPtr& operation) {
  if (!operation->caller.waits()) return operation->refuse(given_up());
  if (auto possible = check(*operation); !possible) return operation->refuse(std::move(possible).error());
  // Two names of one file: rename(2) does nothing.
  if (operation->source.node == operation->target.node && is_message(operation->target)) return operation->reply({});
  if (operation->source.kind == NamedFile::Kind::directory) return rename_directory(operation);
  if (operation->source.kind == NamedFile::Kind::mailbox) return rename_mailbox(operation);
  if (is_local(operation->new_parent)) return move_to_local_directory(operation);
  if (auto possible = check_target_mailbox(*operation); !possible) {
    return operation->refuse(std::move(possible).error());
  }
  if (operation->source.kind == NamedFile::Kind::staged) return rename_staged(operation);
  if (operation->source.kind == NamedFile::Kind::deleted) return restore(operation);
  rename_message(operation);
}

Result<void> RenameOperation::check_target_mailbox(const Operation& operation) const {
  if (operation.new_parent.id == root_node || !dependencies_.account.mailboxes().table(operation.new_mailbox())) {
    return fail(EPERM, Scope::mailbox, Retry::never, "this directory holds no messages");
  }
  return {};
}

// -- local directories --

void RenameOperation::rename_directory(const OperationPtr& operation) {
  const auto& name = operation->request.new_name;
  // mv makes a mailbox then, and copies what is in the directory into it.
  const auto parent = operation->new_mailbox();
  if (!directory_stays_local(parent, name))
    return operation->reply(fail(EXDEV, "a local directory does not become a mailbox"));
  if (operation->target.kind == NamedFile::Kind::mailbox) {
    return operation->reply(fail(ENOTEMPTY, "a mailbox does not make way for a local directory"));
  }
  dependencies_.staging->names().rename_directory(operation->source.node, parent, name, operation->reply);
}

/// Of what is on the server nothing moves there; what is moved to the trash of file managers goes to the mailbox
/// \Trash.
void RenameOperation::move_to_local_directory(const OperationPtr& operation) {
  const auto directory = operation->new_mailbox();
  const auto shown = shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries, directory);
  if (shown && operation->target.kind != NamedFile::Kind::nothing) {
    return operation->reply(fail(EEXIST, "there is another message of that name in the trash"));
  }
  if (operation->source.kind == NamedFile::Kind::staged) return rename_staged(operation);
  if (!shown) return operation->reply(fail(EXDEV, "a local directory: the message can be copied there"));
  auto to_mailbox = std::make_shared<Operation>(*operation);
  to_mailbox->new_parent = Node{mailbox_node(*shown), *dependencies_.nodes.resolve(mailbox_node(*shown))};
  if (operation->source.kind == NamedFile::Kind::deleted) return restore(to_mailbox);
  rename_message(to_mailbox);
}

// -- mailboxes --

bool RenameOperation::holds_something(MailboxId id) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(id);
  if (!mailbox) return false;
  const auto table = dependencies_.account.mailboxes().table(id);
  return !mailbox->children.empty() || (table && table->size() > 0) || mailbox->status.messages.value_or(0) > 0 ||
         !dependencies_.entries.empty(id);
}

void RenameOperation::rename_mailbox(const OperationPtr& operation) {
  const auto& source = operation->source;
  if (is_local(operation->new_parent) || operation->target.kind == NamedFile::Kind::directory) {
    return operation->reply(fail(EPERM, "a mailbox does not become a local directory"));
  }
  // The account asks the server too before an empty mailbox makes way.
  if (operation->target.kind == NamedFile::Kind::mailbox && holds_something(operation->target.mailbox)) {
    return operation->reply(fail(ENOTEMPTY, Scope::mailbox, Retry::never, "the mailbox in the way is not empty"));
  }
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* above = find_mailbox(*tree, operation->new_parent.meaning);
  for (auto next = above; next && next->id.value != 0; next = tree->find(next->parent)) {
    if (next->id == source.mailbox) return operation->reply(fail(EINVAL, "a mailbox cannot be moved into itself"));
  }
  if (!above) return operation->reply(fail(sync::no_such_mailbox()));
  dependencies_.account.mailbox_changes().rename(source.mailbox, above->id, operation->request.new_name,
                                                 operation->reply);
}

// -- staged files --

void RenameOperation::rename_staged(const OperationPtr& operation) {
  const auto rename = [this, operation](const std::optional<Staging::Original>& replaces) {
    dependencies_.staging->names().rename(operation->caller, operation->source.node, operation->new_mailbox(),
                                          operation->request.new_name, replaces,
                                          [this, operation, replaces](Result<void> renamed) {
                                            if (renamed && replaces)
                                              dependencies_.staging->names().message_gone(replaces->node);
                                            operation->reply(std::move(renamed));
                                          });
  };
  if (!is_message(operation->target)) return rename(std::nullopt);
  pending_moves_.await(operation->target, on_success(operation->reply, [this, rename](const NamedFile& target) {
                         // Whoever reads what is replaced goes on to its end.
                         messages_.keep_open(target.node, [rename, target] {
                           rename(Staging::Original{target.node, target.generation, target.message, target.meta});
                         });
                       }));
}

// -- messages --

/// Makes way for a message: `then` gets the message that it replaces, uid 0 for none.
void RenameOperation::with_free_target(const OperationPtr& operation,
                                       const std::function<void(const MessageLocation&)>& then) {
  if (operation->target.kind == NamedFile::Kind::staged) {
    return dependencies_.staging->names().remove(operation->caller, operation->target.node,
                                                 on_success(operation->reply, [then] { then({}); }));
  }
  if (!is_message(operation->target)) return then({});
  pending_moves_.await(operation->target, on_success(operation->reply, [this, then](const NamedFile& target) {
                         messages_.keep_open(target.node, [then, message = target.message] { then(message); });
                       }));
}

void RenameOperation::rename_message(const OperationPtr& operation) {
  if (operation->source.mailbox != operation->new_mailbox()) return move(operation, operation->source);
  // The name of one on its way is given to it there.
  pending_moves_.await(operation->source, on_success(operation->reply, [this, operation](const NamedFile& message) {
                         give_name(operation, message);
                       }));
}

void RenameOperation::give_name(const OperationPtr& operation, const NamedFile& message) {
  with_free_target(operation, [this, operation, message](const MessageLocation& replaces) {
    if (!operation->caller.waits()) return operation->refuse(given_up());
    if (!dependencies_.staging->is_own_new_file(message.node)) return give_name(operation, message, replaces);
    std::optional<Staging::Original> target;
    if (const auto& at = operation->target; replaces.uid.value != 0)
      target = {at.node, at.generation, replaces, at.meta};
    dependencies_.staging->names().take_place(
        {message.node, message.generation, message.message, message.meta}, operation->request.new_name, target,
        on_success(operation->reply, [this, operation, message, replaces](bool taken) {
          if (!taken) return give_name(operation, message, replaces);
          if (replaces.uid.value != 0) replaced(*operation);
          operation->reply({});
        }));
  });
}

void RenameOperation::give_name(const OperationPtr& operation, const NamedFile& message,
                                const MessageLocation& replaces) {
  dependencies_.staging->names().hold(message.node, [this, operation, message, replaces](const Staging::Hold& hold) {
    if (!operation->caller.waits()) return operation->refuse(given_up());
    const auto present = names_.as_it_is_now(message);
    dependencies_.account.changes().give_name(present.message, operation->request.new_name, replaces,
                                              on_success(operation->reply, [this, operation, present, hold] {
                                                name_given(*operation, present);
                                                operation->reply({});
                                              }));
  });
}

void RenameOperation::name_given(const Operation& operation, const NamedFile& message) const {
  const auto& name = operation.request.new_name;
  if (operation.target.kind != NamedFile::Kind::nothing) replaced(operation);
  dependencies_.entries.rename(message.node, message.mailbox, name);
  dependencies_.staging->names().message_renamed(message.node, name);
  name_left(operation, message, is_backup_of(name, operation.request.name) ? name : std::string());
}

void RenameOperation::replaced(const Operation& operation) const {
  dependencies_.entries.remove(operation.target.node);
  dependencies_.staging->names().message_gone(operation.target.node);
}

/// What takes the old name is the next version of this message; what had been at the new one is forgotten.
void RenameOperation::name_left(const Operation& operation, const NamedFile& message, const std::string& backup) const {
  auto& displaced = dependencies_.staging->names().displaced();
  displaced.taken(operation.new_mailbox(), operation.request.new_name);
  displaced.left(message.mailbox, operation.request.name,
                 {message.message, message.meta, message.node, message.generation, backup});
}

void RenameOperation::move(const OperationPtr& operation, const NamedFile& message) {
  with_free_target(operation, [this, operation, message](const MessageLocation& replaces) {
    const sync::ArrivalTarget target{operation->new_mailbox(), operation->request.new_name, replaces};
    dependencies_.staging->names().hold(message.node, [this, operation, message, target](const Staging::Hold& hold) {
      move(operation, names_.as_it_is_now(message), target, hold);
    });
  });
}

void RenameOperation::move(const OperationPtr& operation, const NamedFile& message, const sync::ArrivalTarget& target,
                           const Staging::Hold& hold) {
  // Its bytes cannot be had under the old UID once it is gone: whoever reads it goes on to its end.
  messages_.keep_readable(message.node, [this, operation, message, target, hold] {
    if (!operation->caller.waits()) return operation->refuse(given_up());
    pending_moves_.move(message, target, on_success(operation->reply, [this, operation, message, hold] {
                          dependencies_.staging->names().message_renamed(message.node, operation->request.new_name);
                          if (is_message(operation->target))
                            dependencies_.staging->names().message_gone(operation->target.node);
                          // No editor keeps a backup in another mailbox: what is written under the old name from here
                          // on is another message.
                          dependencies_.staging->names().displaced().taken(operation->new_mailbox(),
                                                                           operation->request.new_name);
                          operation->reply({});
                        }));
  });
}

void RenameOperation::restore(const OperationPtr& operation) {
  if (operation->target.kind != NamedFile::Kind::nothing) {
    // Taking one back and removing another are two changes: half of that would lose what mv promised to keep.
    return operation->reply(fail(EEXIST, "the name is taken: remove that file first"));
  }
  const auto& source = operation->source;
  const bool stays = operation->new_mailbox() == source.mailbox;
  sync::ChangeReply answers;
  answers.accepted = on_success(operation->reply, [this, operation, stays](sync::ChangeId) {
    if (stays) return operation->reply({});
    NamedFile restored = operation->source;
    restored.kind = NamedFile::Kind::message;
    restored.name = restored.meta.file_name;
    move(operation, restored);
  });
  const auto name = stays ? operation->request.new_name : std::string();
  dependencies_.account.changes().restore(sync::ChangeSource{source.message, {}}, name, std::move(answers));
}

}  // namespace imapfs::vfs
