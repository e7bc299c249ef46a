#include "vfs/staging/open_files.hpp"

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "imapfs/vfs/node_id.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

bool opens_for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

OpenResult opened(HandleId handle) {
  OpenResult result;
  result.handle = handle;
  result.keep_cache = true;
  return result;
}

Error moved_meanwhile() {
  return Error{ESTALE, Scope::message, Retry::now, "the message was moved or removed meanwhile"};
}

/// The file is this message, and its bytes are the message's.
void take_original(StagedFile& file, const OriginalMessage& original) {
  file.generation = original.generation;
  file.mailbox = original.message.mailbox;
  file.name = original.meta.file_name;
  file.original = original;
  file.source = original.message;
  file.source_size = original.meta.size;
  file.changed = Timestamp{original.meta.internal_date, 0};
}

}  // namespace

HandleId OpenFiles::new_handle(StagedFile& file, const Caller& caller, bool writes) {
  // Never a handle of an earlier process, and above every UIDVALIDITY.
  if (last_handle_ == 0) last_handle_ = static_cast<HandleId>(whole_second_now().seconds) << 32;
  file.handles.add(++last_handle_, caller.process, writes);
  return last_handle_;
}

StagedFilePtr OpenFiles::new_file(MailboxId mailbox, const std::string& name) const {
  auto file = std::make_shared<StagedFile>();
  file->mailbox = mailbox;
  file->name = name;
  file->own = true;
  file->changed = precise_now();
  file->row.flags = use_.settings.append_flags;
  file->displaced = use_.displaced.find(mailbox, name);
  return file;
}

bool OpenFiles::add_entry(const StagedFile& file) const {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::staged;
  entry.node = file.node;
  entry.mailbox = file.mailbox;
  entry.name = file.name;
  return use_.entries.add(entry);
}

void OpenFiles::create(const Caller& caller, MailboxId mailbox, const std::string& name,
                       const Reply<CreateResult>& reply) {
  if (auto allowed = use_.limits.check_rights(mailbox, false); !allowed) {
    return reply(fail(std::move(allowed).error()));
  }
  if (auto room = use_.limits.check_quota(); !room) return reply(fail(std::move(room).error()));
  const auto file = new_file(mailbox, name);
  if (auto staged = use_.loader.stage(*file); !staged) {
    return reply(fail(std::move(staged).error().while_doing("stage the file")));
  }
  file->node = staged_node(static_cast<std::uint32_t>(file->row.id.value));
  use_.files.add(file);
  if (!add_entry(*file)) {
    use_.files.drop(file);
    return reply(fail(EEXIST, "the name is taken"));
  }
  CreateResult result;
  result.open = opened(new_handle(*file, caller, true));
  result.entry = staged_entry(use_.settings, file->node, file->size(), file->changed);
  reply(std::move(result));
}

void OpenFiles::open_message(const Caller& caller, const OriginalMessage& original, int flags,
                             const Reply<OpenResult>& reply) {
  const auto known = use_.files.find(original.node);
  if (!known) {
    const bool waits = use_.holds.await_end(
        original.node, [this, caller, original, flags, reply] { open_after_hold(caller, original, flags, reply); });
    if (waits) return;
    auto file = file_of(original, flags);
    if (!file) return reply(fail(std::move(file).error()));
    return add_handle(*file, caller, flags, reply);
  }
  // Still open by whoever made the copy that has become this message, perhaps elsewhere.
  if (!known->dirty && !known->busy && !known->content) take_original(*known, original);
  add_handle(known, caller, flags, reply);
}

/// Of a message that nobody has open.
Result<StagedFilePtr> OpenFiles::file_of(const OriginalMessage& original, int flags) const {
  const auto table = use_.mailboxes.table(original.message.mailbox);
  const bool known = table && table->uid_validity() == original.message.uid_validity;
  // Removed after the kernel had looked its name up: on ESTALE it does so again.
  if (known && table->hidden(original.message.uid)) return fail(moved_meanwhile());
  if (opens_for_writing(flags)) IMAPFS_TRY(use_.limits.check_rights(original.message.mailbox, true));
  const auto file = std::make_shared<StagedFile>();
  file->node = original.node;
  file->own = use_.shown.is_own_new_file(original.node);
  take_original(*file, original);
  use_.files.add(file);
  return file;
}

/// The name may lead elsewhere by now, or nowhere: on ESTALE the kernel looks it up again.
void OpenFiles::open_after_hold(const Caller& caller, const OriginalMessage& original, int flags,
                                const Reply<OpenResult>& reply) {
  const auto local = use_.entries.find(original.node);
  const bool on_its_way = local && local->kind == LocalEntry::Kind::pending;
  if (on_its_way || use_.holds.is_gone(original.node)) return reply(fail(moved_meanwhile()));
  auto present = original;
  use_.originals.refresh(present);
  open_message(caller, present, flags, reply);
}

void OpenFiles::open_staged(const Caller& caller, NodeId node, int flags, const Reply<OpenResult>& reply) {
  const auto file = use_.files.find(node);
  // It was uploaded a moment ago. On ESTALE the kernel looks the name up again.
  if (!file) return reply(fail(ESTALE, Scope::message, Retry::now, "the file is on the server by now"));
  add_handle(file, caller, flags, reply);
}

void OpenFiles::add_handle(const StagedFilePtr& file, const Caller& caller, int flags, const Reply<OpenResult>& reply) {
  const HandleId handle = new_handle(*file, caller, opens_for_writing(flags));
  auto result = opened(handle);
  if (use_.shown.take_stale_pages(file->node)) {
    result.keep_cache = false;
    result.size_corrected = true;
  }
  if ((flags & O_TRUNC) == 0 || !opens_for_writing(flags)) return reply(std::move(result));
  file->handles.find(handle)->wrote = true;
  use_.bytes.truncate(file->node, 0, [this, file, handle, result, reply](Result<void> truncated) {
    if (truncated) return reply(result);
    release(file->node, handle);
    reply(fail(std::move(truncated).error()));
  });
}

void OpenFiles::release(NodeId node, HandleId handle) const {
  const auto file = use_.files.find(node);
  if (file && file->handles.remove(handle)) use_.files.look_whether_unused(file);
}

}  // namespace imapfs::vfs
