#include "store/journal/staged_files.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "store/journal/journal_rows.hpp"
#include "store/journal/journal_schema.hpp"

namespace imapfs::store {

void StagedFiles::doom(StagedId id) { run(sql::doom_staged, id); }

Result<void> StagedFiles::take_up(std::uint64_t least_id) {
  const auto entries = IMAPFS_TRY(contents_->entries());
  std::vector<StagedId> interrupted;
  IMAPFS_TRY(database_.attempt("read", [&] {
    last_id_ = database_.highest_id("staged");
    interrupted = doomed();
  }));
  if (last_id_ == 0) last_id_ = least_id;
  if (!entries.empty()) last_id_ = std::max(last_id_, entries.back().id.value);
  remove_contents(interrupted);
  return {};
}

std::vector<StagedId> StagedFiles::doomed() {
  std::vector<StagedId> ids;
  auto query = database_.statement(sql::doomed_staged);
  while (query->executeStep()) ids.push_back(StagedId{as_unsigned(query->getColumn(0).getInt64())});
  return ids;
}

void StagedFiles::run(std::string_view sql, StagedId id) {
  auto statement = database_.statement(sql);
  statement->bind(1, as_signed(id.value));
  statement.run();
}

// The row comes first: if the process dies before the file exists, the row without contents promises nothing, and all()
// drops it. In the other order all() would have to show the user contents without a row.
Result<void> StagedFiles::stage(StagedFile& file) {
  StagedFile added = file;
  added.id = StagedId{++last_id_};
  IMAPFS_TRY(database_.transaction("stage a file", [&] { insert_staged(database_.rows(), added); }));
  if (auto created = contents_->create(added.id); !created) {
    // If this fails too (the disk is full), all() drops the row.
    auto dropped = database_.transaction("drop a staged file", [&] { run(sql::delete_staged, added.id); });
    if (!dropped) telemetry::warning("store: {}", dropped.error().what);
    return created;
  }
  file = std::move(added);
  return {};
}

Result<void> StagedFiles::update(const StagedFile& file) {
  bool found = false;
  IMAPFS_TRY(database_.transaction("update a staged file", [&] { found = update_staged(database_.rows(), file); }));
  if (!found) return fail(ENOENT, "no staged file {}", file.id.value);
  return {};
}

// The row is doomed first, as in JournaledChanges::finish().
Result<void> StagedFiles::unstage(StagedId id) {
  IMAPFS_TRY(database_.transaction("unstage a file", [&] { run(sql::doom_staged, id); }));
  remove_contents({id});
  return {};
}

void StagedFiles::remove_contents(const std::vector<StagedId>& ids) {
  std::vector<StagedId> removed;
  for (const auto id : ids) {
    if (auto gone = contents_->remove(id); gone) removed.push_back(id);
    else telemetry::warning("store: {}", gone.error().what);
  }
  if (removed.empty()) return;
  auto dropped = database_.transaction("drop staged files", [&] {
    for (const auto id : removed) run(sql::delete_staged, id);
  });
  if (!dropped) telemetry::warning("store: {}", dropped.error().what);
}

Result<void> StagedFiles::drop_rows_without_contents(std::vector<StagedFile>& files,
                                                     const std::vector<StagingDirectory::Entry>& entries) {
  std::vector<StagedFile> kept;
  std::vector<StagedId> dropped;
  for (auto& file : files) {
    const auto found = std::lower_bound(entries.begin(), entries.end(), file.id,
                                        [](const auto& entry, StagedId id) { return entry.id < id; });
    if (found != entries.end() && found->id == file.id) {
      kept.push_back(std::move(file));
      continue;
    }
    telemetry::warning("store: the octets of \"{}\" are gone; it cannot be sent to {}", telemetry::printable(file.name),
                       telemetry::printable(file.mailbox));
    dropped.push_back(file.id);
  }
  files = std::move(kept);
  if (dropped.empty()) return {};
  return database_.transaction("drop staged files", [&] {
    for (const auto id : dropped) run(sql::delete_staged, id);
  });
}

std::vector<StagedFile> StagedFiles::without_row(const std::vector<StagedFile>& files,
                                                 const std::vector<StagingDirectory::Entry>& entries) {
  std::vector<StagedFile> adopted;
  for (const auto& entry : entries) {
    if (std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.id == entry.id; })) continue;
    if (entry.size == 0) {
      // The row was lost before anything was written to the file: nobody misses it.
      auto removed = contents_->remove(entry.id);
      if (!removed) telemetry::warning("store: {}", removed.error().what);
      continue;
    }
    StagedFile file;
    file.id = entry.id;
    file.state = StagedFile::State::refused;
    file.name = fmt::format("recovered-{}.eml", entry.id.value);
    file.reason = "what was known of it is lost: the journal was damaged";
    file.changed_at = entry.changed_at;
    adopted.push_back(std::move(file));
  }
  return adopted;
}

Result<void> StagedFiles::adopt_contents_without_row(std::vector<StagedFile>& files,
                                                     const std::vector<StagingDirectory::Entry>& entries) {
  auto adopted = without_row(files, entries);
  if (adopted.empty()) return {};
  IMAPFS_TRY(database_.transaction("adopt staged files", [&] {
    for (const auto& file : adopted) insert_staged(database_.rows(), file);
  }));
  for (auto& file : adopted) files.push_back(std::move(file));
  std::sort(files.begin(), files.end(), [](const auto& left, const auto& right) { return left.id < right.id; });
  return {};
}

Result<std::vector<StagedFile>> StagedFiles::all() {
  std::vector<StagedFile> files;
  std::vector<StagedId> removed;
  IMAPFS_TRY(database_.attempt("read staged files", [&] {
    files = read_staged(database_.rows());
    removed = doomed();
  }));
  auto entries = IMAPFS_TRY(contents_->entries());
  std::erase_if(
      entries, [&](const auto& entry) { return std::find(removed.begin(), removed.end(), entry.id) != removed.end(); });
  IMAPFS_TRY(drop_rows_without_contents(files, entries));
  IMAPFS_TRY(adopt_contents_without_row(files, entries));
  return files;
}

}  // namespace imapfs::store
