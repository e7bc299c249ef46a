#include "vfs/staging/unfinished_files.hpp"

#include <cerrno>
#include <utility>

#include "vfs/staging/message_inspection.hpp"

namespace imapfs::vfs {

bool UnfinishedFiles::is_unfinished(const StagedFile& file) {
  return file.missing_bytes() || file.size() < file.reserved;
}

bool UnfinishedFiles::expects_more(StagedFile& file, HandleId handle) const {
  if (!file.dirty || file.failed || file.size() == 0) return false;
  if (is_unfinished(file)) return true;
  if (!file.handles.others_write(handle) || !use_.loader.open(file)) return false;
  const auto inspected = inspect(*file.content);
  return !inspected && inspected.error().errnum == EINVAL;
}

std::optional<Error> UnfinishedFiles::left_unfinished(const StagedFile& file) const {
  if (!file.dirty || !file.handles.empty() || file.busy || file.reported || file.size() == 0) return std::nullopt;
  if (use_.stages.has_temporary_name(file)) return std::nullopt;
  auto missing = file.missing_bytes();
  if (!missing) return std::nullopt;
  return std::move(*missing).while_doing(use_.places.path_of(file));
}

void UnfinishedFiles::await_rest(const StagedFilePtr& file) const {
  if (file->content) file->written = file->content->written();
  file->close_content();
  if (const auto missing = file->missing_bytes()) use_.waiters.fail_all(file->node, *missing);
  use_.thread.later(use_.patience, [this, node = file->node, changed = file->changed] {
    const auto waiting = use_.files.find(node);
    if (waiting && waiting->changed == changed) give_up_rest(waiting);
  });
}

/// The rest has not come. What has no end is not sent; where only room was made for more, that was too much room.
void UnfinishedFiles::give_up_rest(const StagedFilePtr& file) const {
  if (!file->handles.empty() || file->busy || !file->dirty || file->nameless) return;
  file->reserved = 0;
  const auto missing = file->missing_bytes();
  if (!missing) return use_.files.look_whether_unused(file);
  use_.refused.report(*file, use_.destinations.of(*file), *missing);
  use_.waiters.fail_all(file->node, *missing);
  use_.refused.move_to_outbox(file);
}

}  // namespace imapfs::vfs
