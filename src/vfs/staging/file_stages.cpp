#include "vfs/staging/file_stages.hpp"

#include <algorithm>

#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/backup_names.hpp"
#include "vfs/staging/temporary_names.hpp"

namespace imapfs::vfs {

bool FileStages::is_there(MailboxId mailbox, const std::string& name) const {
  if (use_.entries.find(mailbox, name) || use_.displaced.find(mailbox, name)) return true;
  const auto table = use_.mailboxes.table(mailbox);
  return table && table->find_by_name(name);
}

bool FileStages::is_backup(const StagedFile& file) const {
  const auto originals = originals_of_backup(file.name);
  return std::any_of(originals.begin(), originals.end(),
                     [&](const std::string& original) { return is_there(file.mailbox, original); });
}

bool FileStages::has_temporary_name(const StagedFile& file) const {
  if (is_local_directory(file.mailbox)) return true;
  // A message is what it is, whatever its name: what is written to it is its next version.
  if (file.original || file.named) return false;
  // People write '#1 offer#' too: only beside the file itself is it what Emacs has not saved yet.
  return is_temporary_name(file.name) || (file.name.starts_with('#') && is_backup(file));
}

FileStage FileStages::of(const StagedFile& file) const {
  if (file.has_row() && use_.outbox.lists(file.row.id)) return FileStage::outbox;
  if (file.busy && !file.copying) return FileStage::uploading;
  if (!file.dirty || file.nameless || file.size() == 0) return FileStage::nothing;
  if (file.row.state == Outbox::State::queued) return FileStage::queued;
  if (!file.handles.empty()) return FileStage::open;
  if (file.row.state == Outbox::State::local) return FileStage::local;
  if (is_local_directory(file.mailbox)) return FileStage::local;
  if (!has_temporary_name(file)) return FileStage::open;
  return is_backup(file) ? FileStage::local : FileStage::temporary;
}

bool FileStages::is_waited_for(const StagedFile& file) const {
  const auto stage = of(file);
  if (stage == FileStage::temporary) return !file.no_mail || !file.told;
  return stage == FileStage::uploading || stage == FileStage::queued;
}

}  // namespace imapfs::vfs
