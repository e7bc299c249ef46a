#include "vfs/staging/staged_rename.hpp"

#include <cerrno>
#include <utility>

#include "vfs/staging/local_directories.hpp"

namespace imapfs::vfs {

namespace {

/// The kernel looks the names up again and comes back with what the file is by now.
Error a_message_by_now() { return Error{ESTALE, Scope::message, Retry::now, "the file is on the server by now"}; }

}  // namespace

void StagedRename::rename(const Caller& caller, NodeId node, const Target& target, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return reply(fail(a_message_by_now()));
  use_.files.when_idle(file, [this, caller, file, target, reply] {
    if (!caller.waits()) return reply(fail(given_up()));
    rename_idle(caller, file, target, reply);
  });
}

Result<void> StagedRename::check(const StagedFile& file, const Target& target) const {
  if (file.original && !file.dirty) return fail(a_message_by_now());
  IMAPFS_TRY(use_.limits.check_rights(target.mailbox, target.replaces.has_value()));
  if (file.size() == 0 && target.is_message()) {
    return fail(EINVAL, Scope::message, Retry::never, "an empty file cannot take the place of a message");
  }
  return {};
}

bool StagedRename::only_name_changes(const StagedFile& file, const Target& target) {
  if (file.size() == 0) return true;
  if (target.is_message()) return false;
  if (stays_local(target.mailbox, target.name)) return true;
  // It is not whole yet: whoever writes it uploads it when he closes it.
  return !file.failed && !file.original && file.handles.is_being_written();
}

void StagedRename::rename_idle(const Caller& caller, const StagedFilePtr& file, const Target& target,
                               const Reply<void>& reply) const {
  if (auto possible = check(*file, target); !possible) return reply(std::move(possible));
  if (only_name_changes(*file, target)) return reply(rename_only(file, target));
  if (file->failed) return reply(fail(*file->failed));
  use_.uploads.start(caller, prepare(file, target, reply));
}

RenamingUpload::Rename StagedRename::prepare(const StagedFilePtr& file, const Target& target,
                                             const Reply<void>& reply) const {
  file->replaced.reset();
  RenamingUpload::Rename rename{file, {}, {}, std::exchange(file->displaced, std::nullopt), reply, false};
  if (!target.is_message()) file->displaced = use_.displaced.find(target.mailbox, target.name);
  auto& destination = rename.destination;
  destination = use_.destinations.of(*file);
  destination.mailbox = target.mailbox;
  destination.name = target.name;
  if (!target.is_message()) return rename;
  auto replaced = *target.replaces;
  use_.originals.refresh(replaced);
  destination.replaces = replaced.message;
  if (!file->flags_given) destination.flags = UploadDestinations::flags_to_give(replaced.meta.flags);
  if (!file->time) destination.internal_date = replaced.meta.internal_date;
  rename.replaced = std::move(replaced);
  return rename;
}

Result<void> StagedRename::rename_only(const StagedFilePtr& file, const Target& target) const {
  auto row = file->row;
  use_.places.set(row, target.mailbox, target.name);
  row.state = Outbox::State::open;
  row.reason.clear();
  IMAPFS_TRY(use_.outbox.update(file->row, std::move(row)));
  use_.outbox.unlist(file->row.id);
  use_.places.place(file, target.mailbox, target.name);
  use_.shown.show(*file);
  file->displaced = use_.displaced.find(target.mailbox, target.name);
  file->named = false;
  file->told = false;
  use_.files.look_whether_unused(file);
  use_.waiters.check();
  return {};
}

void StagedRename::remove(const Caller& caller, NodeId node, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return reply(fail(a_message_by_now()));
  use_.files.when_idle(file, [this, caller, file, reply] {
    if (!caller.waits()) return reply(fail(given_up()));
    if (file->original && !file->has_row()) return reply(fail(a_message_by_now()));
    use_.entries.remove(file->node);
    file->nameless = true;
    if (file->handles.empty()) use_.files.drop(file);
    use_.waiters.check();
    reply({});
  });
}

}  // namespace imapfs::vfs
