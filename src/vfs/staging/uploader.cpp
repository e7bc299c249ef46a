#include "vfs/staging/uploader.hpp"

#include <cerrno>
#include <utility>

#include "vfs/staging/message_inspection.hpp"

namespace imapfs::vfs {

void Uploader::upload(const StagedFilePtr& file, const UploadDestination& destination,
                      const Completion<sync::Arrival>& done) const {
  file->busy = true;
  const auto finish = [this, file, done](Result<sync::Arrival> arrived) {
    done(std::move(arrived));
    use_.files.go_on(file);
    use_.waiters.check();
  };
  use_.destinations.with_present_flags(destination, [this, file, finish](Result<UploadDestination> present) {
    if (!present) return finish(fail(std::move(present).error()));
    use_.backups.fetch(*file, *present,
                       [this, file, finish, destination = *present](Result<StagedFilePtr> backup) mutable {
                         // Without a copy of its own the backup stays the message that it is.
                         if (!backup) destination.replaces = {};
                         upload_to(file, destination, backup ? *backup : nullptr, finish);
                       });
  });
}

void Uploader::upload_to(const StagedFilePtr& file, const UploadDestination& destination, const StagedFilePtr& backup,
                         const Completion<sync::Arrival>& finish) const {
  auto prepared = prepare(*file, destination);
  if (!prepared) {
    if (backup) use_.files.drop(backup);
    return finish(fail(std::move(prepared).error()));
  }
  use_.changes.upload(*prepared, use_.thread.completion<sync::Arrival>([this, file, destination, backup,
                                                                        size = prepared->canonical_size,
                                                                        finish](Result<sync::Arrival> arrived) {
    if (backup && arrived) use_.backups.keep(backup, *file->displaced, destination);
    if (backup && !arrived) use_.files.drop(backup);
    if (arrived) use_.uploaded.arrived(file, destination, size, *arrived);
    finish(std::move(arrived));
  }));
}

void Uploader::address(Outbox::Row& row, const UploadDestination& destination) const {
  row.mailbox = use_.places.server_name(destination.mailbox);
  row.name = destination.name;
  row.flags = destination.flags;
  row.internal_date = destination.internal_date;
}

/// Looks at the file and brings its row up to date.
Result<sync::Upload> Uploader::prepare(StagedFile& file, const UploadDestination& destination) const {
  IMAPFS_TRY(use_.loader.open(file));
  if (auto missing = file.missing_bytes()) return fail(std::move(*missing));
  const auto inspected = IMAPFS_TRY(inspect(*file.content));
  const auto limit = use_.changes.append_limit();
  if (limit && inspected.canonical_size > *limit) {
    return fail(EFBIG, Scope::message, Retry::never, "{} octets with CRLF line ends, the server takes at most {}",
                inspected.canonical_size, *limit);
  }
  auto row = file.row;
  if (row.state != Outbox::State::queued) row.state = Outbox::State::open;
  address(row, destination);
  row.replaces = use_.places.location_of(destination.replaces);
  row.changed_at = file.changed.seconds;
  IMAPFS_TRY(use_.outbox.update(file.row, std::move(row)));
  return sync::Upload{file.row.id,
                      {destination.mailbox, destination.name, destination.replaces},
                      destination.flags,
                      destination.internal_date,
                      inspected.canonical_size,
                      inspected.message_id};
}

}  // namespace imapfs::vfs
