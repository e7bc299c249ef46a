// A copy within the mount, made by the server.

#include <algorithm>
#include <climits>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

void Staging::Implementation::copy_message(const CopyRangeRequest& request, const CopySource& source,
                                           const Reply<std::size_t>& reply) {
  const auto file = find(request.target);
  const bool whole = request.source_offset == 0 && request.target_offset == 0 && request.length >= source.meta.size;
  const bool fresh = file && file->own && !file->original && !file->dirty && !file->busy && !file->nameless &&
                     file->handles.contains(request.target_handle) && file->size() == 0;
  // EXDEV: cp copies octets then, without a word.
  if (!whole || !fresh || has_temporary_name(*file)) return reply(fail(EXDEV, "no copy that the server can make"));
  file->busy = true;
  sync::ChangeReply outcome;
  outcome.accepted = on_thread<sync::ChangeId>([this, file, source, reply](Result<sync::ChangeId> accepted) {
    if (!accepted) {
      reply(fail(std::move(accepted).error().while_doing("copy on the server")));
      return go_on(file);
    }
    copy_accepted(file, source, *accepted);
    reply(static_cast<std::size_t>(std::min<std::uint64_t>(source.meta.size, SSIZE_MAX)));
  });
  outcome.finished = on_thread<sync::Arrival>(
      [this, file, source](const Result<sync::Arrival>& arrived) { copy_finished(file, source, arrived); });
  around_.account.copy_message(source.change_source, {file->mailbox, file->name, {}}, std::move(outcome));
}

/// The journal knows of the copy: the file needs no octets of its own.
void Staging::Implementation::copy_accepted(const FilePtr& file, const CopySource& source, sync::ChangeId change) {
  file->content.reset();
  (void)around_.journal->unstage(std::exchange(file->row.id, {}));
  file->source = source.change_source.message;
  file->source_size = source.meta.size;
  file->changed = Timestamp{source.meta.internal_date, 0};
  file->copying = true;
  file->copy = change;
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = file->node;
  entry.generation = file->generation;
  entry.meta = source.meta;
  entry.meta.uid = {};
  entry.meta.file_name = file->name;
  entry.source = source.change_source.message;
  entry.change = change;
  entry.copied = true;
  around_.entries.update(entry);
  show(*file);
}

void Staging::Implementation::copy_finished(const FilePtr& file, const CopySource& source,
                                            const Result<sync::Arrival>& arrived) {
  file->copying = false;
  if (!arrived || arrived->message.uid.value == 0) {
    // Refused (the account has told the user), or somewhere that the server did not tell: then it shows as news.
    if (around_.entries.remove_pending(file->node, file->copy)) name_removed(*file);
    file->nameless = true;
    show(*file);
    return go_on(file);
  }
  auto meta = source.meta;
  meta.uid = arrived->message.uid;
  meta.file_name = arrived->file_name.empty() ? file->name : arrived->file_name;
  file->original = Original{file->node, file->generation, arrived->message, meta};
  file->source = arrived->message;
  file->body.reset();
  // It may have been moved on since: then the entry waits for that change.
  auto entry = around_.entries.find(file->node);
  if (entry && entry->change == file->copy) {
    entry->meta = meta;
    around_.entries.update(*entry);
  }
  around_.entries.arrived(file->node, file->generation, arrived->message, file->copy);
  show(*file);
  go_on(file);
}

}  // namespace imapfs::vfs
