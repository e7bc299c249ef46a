// Opening and releasing of staged files.

#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

/// Until then what the account said last of its quota is believed.
constexpr std::chrono::seconds quota_age{10};

bool opens_for_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

OpenResult opened(HandleId handle) {
  OpenResult result;
  result.handle = handle;
  result.keep_cache = true;
  return result;
}

}  // namespace

/// What the server would refuse anyway.
Result<void> Staging::Implementation::check_rights(MailboxId mailbox, bool replaces) const {
  const auto rights = around_.account.rights(mailbox);
  if (rights.read_only) return fail(EROFS, Scope::mailbox, Retry::never, "the mailbox is read-only");
  if (!rights.insert) return fail(EACCES, Scope::mailbox, Retry::never, "no right to add messages to this mailbox");
  if (replaces && !rights.remove_messages) {
    return fail(EACCES, Scope::mailbox, Retry::never, "no right to remove the message that would be replaced");
  }
  return {};
}

/// Nothing left according to the last word about the quota. A new word is asked for now and then, and waited for by
/// nobody.
Result<void> Staging::Implementation::check_quota() {
  const auto time = SteadyClock::now();
  if (!quota_asked_ || time - *quota_asked_ > quota_age) {
    quota_asked_ = time;
    const auto answered = std::make_shared<std::atomic<bool>>(false);
    const auto exhausted = std::make_shared<std::atomic<bool>>(false);
    around_.account.usage([this, weak = weak_from_this(), answered, exhausted](const Result<sync::Usage>& usage) {
      const bool none_left = usage && usage->limit_kib && usage->used_kib >= *usage->limit_kib;
      *exhausted = none_left;
      *answered = true;
      if (const auto self = weak.lock()) self->post([this, none_left] { quota_exhausted_ = none_left; });
    });
    if (*answered) quota_exhausted_ = *exhausted;
  }
  if (quota_exhausted_) return fail(EDQUOT, Scope::account, Retry::later, "the account's quota is used up");
  return {};
}

HandleId Staging::Implementation::new_handle(File& file, const Caller& caller, bool writing) {
  if (next_handle_ == 0) next_handle_ = static_cast<HandleId>(now().seconds) << 32;
  const HandleId handle = ++next_handle_;
  file.handles[handle] = Open{.process = caller.process, .writes = writing};
  return handle;
}

void Staging::Implementation::create(const Caller& caller, MailboxId mailbox, const std::string& name,
                                     const Reply<CreateResult>& reply) {
  if (auto allowed = check_rights(mailbox, false); !allowed) return reply(fail(std::move(allowed).error()));
  if (auto room = check_quota(); !room) return reply(fail(std::move(room).error()));
  auto file = std::make_shared<File>();
  file->mailbox = mailbox;
  file->name = name;
  file->own = true;
  file->changed = now();
  file->row.flags = around_.settings.append_flags;
  file->displaced = displaced_.find(mailbox, name);
  if (auto staged = stage(file); !staged) return reply(fail(std::move(staged).error().while_doing("stage the file")));
  file->node = staged_node(static_cast<std::uint32_t>(file->row.id.value));
  files_[file->node] = file;
  show(*file);
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::staged;
  entry.node = file->node;
  entry.mailbox = mailbox;
  entry.name = name;
  if (!around_.entries.add(entry)) {
    drop(file);
    return reply(fail(EEXIST, "the name is taken"));
  }
  CreateResult result;
  result.open = opened(new_handle(*file, caller, true));
  result.entry = staged_entry(around_.settings, file->node, file->size(), file->changed);
  reply(std::move(result));
}

void Staging::Implementation::open_message(const Caller& caller, const Original& original, int flags,
                                           const Reply<OpenResult>& reply) {
  auto file = find(original.node);
  if (!file) {
    if (is_held(original.node)) {
      waiting_opens_[original.node].push_back(
          [this, caller, original, flags, reply] { open_after_hold(caller, original, flags, reply); });
      return;
    }
    const auto table = around_.account.table(original.message.mailbox);
    const bool known = table && table->uid_validity() == original.message.uid_validity;
    // Removed after the kernel had looked its name up: on ESTALE it does so again.
    if (known && table->hidden(original.message.uid)) {
      return reply(fail(ESTALE, Scope::message, Retry::now, "the message was moved or removed meanwhile"));
    }
    if (opens_for_writing(flags)) {
      if (auto allowed = check_rights(original.message.mailbox, true); !allowed) {
        return reply(fail(std::move(allowed).error()));
      }
    }
    file = std::make_shared<File>();
    file->node = original.node;
    file->own = is_own_new_file(original.node);
    files_[file->node] = file;
    take_original(*file, original);
    show(*file);
  } else if (!file->dirty && !file->busy && !file->content) {
    // Still open by whoever made the copy that has become this message, perhaps elsewhere.
    take_original(*file, original);
  }
  add_handle(file, caller, flags, reply);
}

/// The file is this message, and its octets are the message's.
void Staging::Implementation::take_original(File& file, const Original& original) {
  file.generation = original.generation;
  file.mailbox = original.message.mailbox;
  file.name = original.meta.file_name;
  file.original = original;
  file.source = original.message;
  file.source_size = original.meta.size;
  file.changed = Timestamp{original.meta.internal_date, 0};
}

void Staging::Implementation::open_staged(const Caller& caller, NodeId node, int flags,
                                          const Reply<OpenResult>& reply) {
  const auto file = find(node);
  // It was uploaded a moment ago. On ESTALE the kernel looks the name up again.
  if (!file) return reply(fail(ESTALE, Scope::message, Retry::now, "the file is on the server by now"));
  add_handle(file, caller, flags, reply);
}

void Staging::Implementation::add_handle(const FilePtr& file, const Caller& caller, int flags,
                                         const Reply<OpenResult>& reply) {
  const HandleId handle = new_handle(*file, caller, opens_for_writing(flags));
  auto result = opened(handle);
  if (take_stale_pages(file->node)) {
    result.keep_cache = false;
    result.size_corrected = true;
  }
  if ((flags & O_TRUNC) == 0 || !opens_for_writing(flags)) return reply(std::move(result));
  file->handles[handle].wrote = true;
  truncate(file->node, 0, [this, file, handle, result, reply](Result<void> truncated) {
    if (truncated) return reply(result);
    release(file->node, handle);
    reply(fail(std::move(truncated).error()));
  });
}

void Staging::Implementation::release(NodeId node, HandleId handle) {
  const auto file = find(node);
  if (!file || file->handles.erase(handle) == 0 || !file->handles.empty() || file->busy) return;
  last_release(file);
}

/// The file has been uploaded and closed: from here on everybody is shown what the server has, and the kernel knows the
/// size before whoever waits is answered. Those who still write to it go on with their own octets.
void Staging::Implementation::show_message(const FilePtr& file) {
  if (!file->recoded || !file->content || !file->original || file->dirty || file->has_row()) return;
  const auto octets = std::exchange(file->content, nullptr);
  for (auto& [handle, open] : file->handles) open.from_before = true;
  file->as_written = octets;
  show(*file);
  pages_are_wrong(*file);
}

/// Nobody has it open and nothing is going on with it.
void Staging::Implementation::last_release(const FilePtr& file) {
  const auto known = files_.find(file->node);
  if (known == files_.end() || known->second != file) return;
  judge_name(*file);
  if (file->nameless) return drop(file);
  if (file->dirty && file->size() > 0 && has_temporary_name(*file)) return await_name(file);
  // An editor's backup that somebody has read.
  if (file->dirty && file->row.state == store::StagedFile::State::local) return;
  if (file->dirty && file->size() > 0) {
    if (file->failed) {
      // Its writer may have ended without a flush.
      report_partial(file);
      return to_outbox(file);
    }
    if (file->row.state == store::StagedFile::State::refused && file->reported) return to_outbox(file);
    if (missing_octets(*file) || file->size() < file->reserved) return await_rest(file);
    if (file->row.state != store::StagedFile::State::queued) return queue(file);
    return;
  }
  // A new file that is still empty stays what it is; it has no message to go back to.
  if (!file->original) return;
  if (file->dirty) {
    telemetry::info("{} was emptied and not written again: the message stays as it was",
                    telemetry::printable(path_of(*file)));
    file->recoded = true;
  }
  if (file->recoded && file->content) {
    shown_.with_lock([&](Shown& shown) { shown.stale_pages.insert(file->node); });
  }
  const bool recoded = file->recoded;
  const bool changed = file->content != nullptr;
  if (file->own && !file->dirty) remember(file);
  drop(file);
  if (changed) around_.publisher.kernel().file_changed(file->node, recoded);
}

void Staging::Implementation::drop(const FilePtr& file) {
  if (file->has_row()) {
    if (auto gone = around_.journal->unstage(file->row.id); !gone) {
      telemetry::warning("a staged file stays on disk: {}", gone.error().what);
    }
    shown_.with_lock([&](Shown& shown) { shown.outbox.erase(file->row.id); });
    file->row.id = {};
  }
  used_ -= file->counted;
  file->counted = 0;
  const auto known = files_.find(file->node);
  if (known == files_.end() || known->second != file) return;
  files_.erase(known);
  shown_.with_lock([&](Shown& shown) { shown.files.erase(file->node); });
  check_settled();
}

}  // namespace imapfs::vfs
