#include "vfs/staging/renaming_upload.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

void RenamingUpload::start(const Caller& caller, Rename started) const {
  const auto rename = std::make_shared<Rename>(std::move(started));
  use_.uploader.upload(rename->file, rename->destination, [this, rename](const Result<sync::Arrival>& arrived) {
    if (rename->answered) return use_.queue.ended(rename->file, rename->destination, arrived);
    rename->answered = true;
    ended(*rename, arrived);
  });
  // A new version of a message would go back to where that is if it had to be tried again.
  if (rename->answered || rename->file->original || caller.answer_by == Deadline::max()) return;
  use_.thread.later(caller.answer_by - SteadyClock::now(), [this, weak = std::weak_ptr(rename)] {
    if (const auto waiting = weak.lock()) answer_early(*waiting);
  });
}

void RenamingUpload::ended(const Rename& rename, const Result<sync::Arrival>& arrived) const {
  const auto& file = rename.file;
  if (arrived) {
    // Whoever still has it open to write goes on with the bytes as he wrote them, until he closes it.
    if (file->handles.empty()) use_.kernel.show_message(*file);
    return rename.reply({});
  }
  keep_old_name(rename);
  use_.refused.report(*file, rename.destination, arrived.error());
  auto error = arrived.error();
  rename.reply(fail(std::move(error).while_doing("upload")));
}

/// In the journal too.
void RenamingUpload::keep_old_name(const Rename& rename) const {
  auto& file = *rename.file;
  file.displaced = rename.displaced_before;
  if (!file.has_row()) return;
  use_.places.set(file.row, file.mailbox, file.name);
  file.row.replaces = {};
  (void)use_.outbox.update(file.row, file.row);
}

/// The upload takes too long to be waited for: from here on the file is one that was promised.
void RenamingUpload::answer_early(Rename& rename) const {
  if (rename.answered) return;
  const auto& file = rename.file;
  if (auto queued = queue(rename); !queued) {
    // Then the deadline answers, and the upload ends as one that somebody waits for.
    return telemetry::warning("{} cannot be queued: {}", telemetry::printable(use_.places.path_of(*file)),
                              telemetry::printable(queued.error().what));
  }
  rename.answered = true;
  telemetry::info("{} waits for its upload", telemetry::printable(use_.places.path_of(*file)));
  rename.reply({});
}

Outbox::Row RenamingUpload::queued_row(const Rename& rename) const {
  auto row = rename.file->row;
  row.state = Outbox::State::queued;
  use_.uploader.address(row, rename.destination);
  if (rename.replaced) row.replaces = use_.places.location_of(rename.replaced->message);
  return row;
}

Result<void> RenamingUpload::queue(const Rename& rename) const {
  auto& file = *rename.file;
  IMAPFS_TRY(use_.loader.open(file));
  IMAPFS_TRY(file.content->sync());
  auto row = queued_row(rename);
  IMAPFS_TRY(use_.outbox.write_through(file.row, std::move(row)));
  file.attempts = 0;
  file.replaced = rename.replaced;
  use_.outbox.unlist(file.row.id);
  use_.places.place(rename.file, rename.destination.mailbox, rename.destination.name);
  use_.shown.show(file);
  return {};
}

}  // namespace imapfs::vfs
