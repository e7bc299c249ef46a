#include "vfs/staging/content_loader.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t fetch_chunk = 1 << 20;

}  // namespace

Result<void> ContentLoader::stage(StagedFile& file) const {
  auto row = file.row;
  row.state = Outbox::State::open;
  use_.places.set(row, file.mailbox, file.name);
  row.reason.clear();
  row.changed_at = whole_second_now().seconds;
  IMAPFS_TRY(use_.outbox.stage(row));
  auto content = StagedContent::open(use_.outbox.path_of_bytes(row));
  if (!content) {
    (void)use_.outbox.discard(row);
    return fail(std::move(content).error());
  }
  file.row = std::move(row);
  file.content = std::move(*content);
  return {};
}

Result<void> ContentLoader::open(StagedFile& file) const {
  if (file.content) return {};
  file.content = IMAPFS_TRY(StagedContent::open(use_.outbox.path_of_bytes(file.row)));
  if (file.written) file.content->set_written(*std::exchange(file.written, std::nullopt));
  return {};
}

void ContentLoader::with_content(const StagedFilePtr& file, const Ready& job) const {
  if (file->has_row()) return job(open(*file));
  // Uploaded and still open: what was uploaded is the beginning of the next version.
  const auto before = file->content ? file->content : file->as_written;
  if (before) return job(stage_copy(*file, before));
  use_.originals.follow(file, [this, file, job](Result<void> found) {
    if (!found) return job(std::move(found));
    fetch(file, job);
  });
}

/// Begins another version of the file with these bytes.
Result<void> ContentLoader::stage_copy(StagedFile& file, const std::shared_ptr<StagedContent>& bytes) const {
  const auto before = std::exchange(file.content, nullptr);
  auto ready = stage(file);
  if (ready) ready = file.content->copy_from(*bytes);
  if (ready) {
    file.as_written.reset();
    return {};
  }
  (void)use_.outbox.discard(file.row);
  file.content = before;
  return ready;
}

void ContentLoader::with_empty_content(const StagedFilePtr& file, const Ready& job) const {
  if (file->has_row()) return job(open(*file));
  const auto before = std::exchange(file->content, nullptr);
  auto ready = stage(*file);
  if (!ready) file->content = before;
  job(std::move(ready));
}

void ContentLoader::fetch(const StagedFilePtr& file, const Ready& job) const {
  file->busy = true;
  use_.originals.locate_source(*file);
  const auto done = [this, file, job](Result<void> fetched) {
    if (!fetched) (void)use_.outbox.discard(file->row);
    use_.limits.count(*file);
    // The job goes before those who wait, and may keep the file busy with an upload.
    file->busy = false;
    job(std::move(fetched));
    if (!file->busy) use_.files.go_on(file);
  };
  use_.bodies.open(
      file->source.mailbox, file->source.uid,
      use_.thread.completion<std::shared_ptr<sync::Body>>([this, file, done](Result<std::shared_ptr<sync::Body>> body) {
        if (!body) return done(fail(std::move(body).error().while_doing("fetch the message that is to be changed")));
        if (auto fits = use_.limits.check_size(*file, (*body)->length()); !fits) return done(std::move(fits));
        if (auto staged = stage(*file); !staged) return done(std::move(staged));
        // Reads come from the message until all of it is here.
        const auto content = std::exchange(file->content, nullptr);
        fetch_piece(content, *body, 0, [file, content, done](Result<void> fetched) {
          if (fetched) file->content = content;
          done(std::move(fetched));
        });
      }));
}

void ContentLoader::fetch_piece(const std::shared_ptr<StagedContent>& content, const std::shared_ptr<sync::Body>& body,
                                std::uint64_t offset, const Ready& job) const {
  if (offset >= body->length()) return job({});
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(fetch_chunk, body->length() - offset));
  body->read(offset, wanted,
             use_.thread.completion<BodySlice>([this, content, body, offset, job](Result<BodySlice> slice) {
               if (!slice) return job(fail(std::move(slice).error().while_doing("fetch the message to be changed")));
               if (slice->length == 0) return job(fail(EIO, "the message is shorter than announced"));
               auto copied = content->write_from(slice->descriptor, slice->offset, slice->length, offset);
               if (!copied) return job(std::move(copied));
               fetch_piece(content, body, offset + slice->length, job);
             }));
}

}  // namespace imapfs::vfs
