#include "vfs/staging/server_copy.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace imapfs::vfs {

namespace {

LocalEntry pending_copy(const StagedFile& file, const CopySource& source) {
  LocalEntry entry;
  entry.kind = LocalEntry::Kind::pending;
  entry.node = file.node;
  entry.generation = file.generation;
  entry.meta = source.meta;
  entry.meta.uid = {};
  entry.meta.file_name = file.name;
  entry.source = source.change_source.message;
  entry.change = file.copy;
  entry.copied = true;
  return entry;
}

}  // namespace

bool ServerCopy::can_copy(const CopyRangeRequest& request, const CopySource& source, const StagedFile& target) const {
  return request.source_offset == 0 && request.target_offset == 0 && request.length >= source.meta.size && target.own &&
         !target.original && !target.dirty && !target.busy && !target.nameless && target.size() == 0 &&
         !use_.stages.has_temporary_name(target);
}

void ServerCopy::copy(const CopyRangeRequest& request, const CopySource& source,
                      const Reply<std::size_t>& reply) const {
  const auto file = use_.files.find(request.target);
  if (!file || !file->handles.find(request.target_handle) || !can_copy(request, source, *file)) {
    return reply(fail(EXDEV, "no copy that the server can make"));
  }
  file->busy = true;
  sync::ChangeReply outcome;
  outcome.accepted = use_.thread.completion<sync::ChangeId>([this, file, source, reply](Result<sync::ChangeId> change) {
    if (!change) {
      reply(fail(std::move(change).error().while_doing("copy on the server")));
      return use_.files.go_on(file);
    }
    accepted(*file, source, *change);
    reply(static_cast<std::size_t>(std::min<std::uint64_t>(source.meta.size, SSIZE_MAX)));
  });
  outcome.finished = use_.thread.completion<sync::Arrival>(
      [this, file, source](const Result<sync::Arrival>& arrived) { finished(file, source, arrived); });
  use_.changes.copy(source.change_source, {file->mailbox, file->name, {}}, std::move(outcome));
}

/// The journal knows of the copy: the file needs no bytes of its own.
void ServerCopy::accepted(StagedFile& file, const CopySource& source, sync::ChangeId change) const {
  file.content.reset();
  (void)use_.outbox.discard(file.row);
  file.source = source.change_source.message;
  file.source_size = source.meta.size;
  file.changed = Timestamp{source.meta.internal_date, 0};
  file.copying = true;
  file.copy = change;
  use_.entries.update(pending_copy(file, source));
  use_.shown.show(file);
}

void ServerCopy::finished(const StagedFilePtr& file, const CopySource& source,
                          const Result<sync::Arrival>& arrived) const {
  file->copying = false;
  if (arrived && arrived->message.uid.value != 0) {
    show_copy(*file, source, *arrived);
  } else {
    // Refused (the account has told the user), or somewhere that the server did not tell: then it shows as news.
    if (use_.entries.remove_pending(file->node, file->copy)) use_.kernel.name_removed(*file);
    file->nameless = true;
  }
  use_.shown.show(*file);
  use_.files.go_on(file);
}

void ServerCopy::show_copy(StagedFile& file, const CopySource& source, const sync::Arrival& arrival) const {
  auto meta = source.meta;
  meta.uid = arrival.message.uid;
  meta.file_name = arrival.file_name.empty() ? file.name : arrival.file_name;
  file.original = OriginalMessage{file.node, file.generation, arrival.message, meta};
  file.source = arrival.message;
  file.body.reset();
  // It may have been moved on since: then the entry waits for that change.
  auto entry = use_.entries.find(file.node);
  if (entry && entry->change == file.copy) {
    entry->meta = meta;
    use_.entries.update(*entry);
  }
  use_.entries.arrived(file.node, file.generation, arrival.message, file.copy);
}

}  // namespace imapfs::vfs
