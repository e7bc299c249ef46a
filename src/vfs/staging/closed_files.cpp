#include "vfs/staging/closed_files.hpp"

#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

void ClosedFiles::dispose(const StagedFilePtr& file) const {
  use_.originals.judge_name(*file);
  if (file->nameless) return use_.files.drop(file);
  if (file->dirty && file->size() > 0 && use_.stages.has_temporary_name(*file)) {
    return use_.temporary.await_name(file);
  }
  // An editor's backup that somebody has read.
  if (file->dirty && file->row.state == Outbox::State::local) return;
  if (file->dirty && file->size() > 0) return upload(file);
  // A new file that is still empty stays what it is; it has no message to go back to.
  if (file->original) return_to_message(file);
}

/// Nobody waits for it.
void ClosedFiles::upload(const StagedFilePtr& file) const {
  if (file->failed) {
    // Its writer may have ended without a flush.
    use_.refused.report_partial(*file);
    return use_.refused.move_to_outbox(file);
  }
  if (file->row.state == Outbox::State::refused && file->reported) return use_.refused.move_to_outbox(file);
  if (UnfinishedFiles::is_unfinished(*file)) return use_.unfinished.await_rest(file);
  if (file->row.state != Outbox::State::queued) use_.queue.add(file);
}

/// The message is what the server has: nothing of the file is needed any more.
void ClosedFiles::return_to_message(const StagedFilePtr& file) const {
  if (file->dirty) {
    telemetry::info("{} was emptied and not written again: the message stays as it was",
                    telemetry::printable(use_.places.path_of(*file)));
    file->recoded = true;
  }
  if (file->recoded && file->content) use_.shown.mark_stale_pages(file->node);
  const bool recoded = file->recoded;
  const bool changed = file->content != nullptr;
  if (file->own && !file->dirty) use_.recent.remember(*file);
  use_.files.drop(file);
  if (changed) use_.kernel.file_changed(file->node, recoded);
}

}  // namespace imapfs::vfs
