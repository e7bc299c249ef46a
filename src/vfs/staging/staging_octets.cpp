// Reading and writing of staged files, and getting the octets of a message that is to be changed.

#include <algorithm>
#include <utility>

#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t fetch_chunk = 1 << 20;

Error closed() { return Error{EBADF, Scope::request, Retry::never, "the file is not open"}; }

Error beyond_any_file() { return Error{EFBIG, Scope::message, Retry::never, "beyond what a file can hold"}; }

}  // namespace

void Staging::Implementation::read(const ReadRequest& request, const Reply<ReadResult>& reply) {
  const auto file = find(request.node);
  if (!file) return reply(fail(ESTALE, Scope::message, Retry::never, "the file is not staged any more"));
  if (!file->content && file->source.uid.value != 0) return read_source(file, request, reply);
  if (auto open = open_content(*file); !open) return reply(fail(std::move(open).error()));
  auto data = file->content->read(request.offset, request.size);
  if (!data) return reply(fail(std::move(data).error()));
  reply(ReadResult(std::move(*data)));
}

/// The message may have been moved since it was opened.
void Staging::Implementation::locate_source(File& file) const {
  if (!file.original || file.copying) return;
  refresh(*file.original);
  file.source = file.original->message;
}

/// From the message, until the file has content of its own.
void Staging::Implementation::read_source(const FilePtr& file, const ReadRequest& request,
                                          const Reply<ReadResult>& reply) {
  const auto from_body = [request, reply](const std::shared_ptr<sync::Body>& body) {
    const auto length = body->length();
    if (request.offset >= length || request.size == 0) return reply(ReadResult(std::string()));
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(request.size, length - request.offset));
    body->read(request.offset, wanted, [body, reply](Result<BodySlice> slice) {
      if (!slice) return reply(fail(std::move(slice).error().while_doing("read the message")));
      if (slice->length == 0) return reply(ReadResult(std::string()));
      reply(ReadResult(std::move(*slice)));
    });
  };
  if (file->body) return from_body(file->body);
  locate_source(*file);
  around_.account.open_body(
      file->source.mailbox, file->source.uid,
      on_thread<std::shared_ptr<sync::Body>>([file, from_body, reply](Result<std::shared_ptr<sync::Body>> body) {
        if (!body) return reply(fail(std::move(body).error().while_doing("open the message")));
        file->body = *body;
        from_body(*body);
      }));
}

Result<void> Staging::Implementation::check_size(const File& file, std::uint64_t size) {
  const auto limit = around_.account.append_limit();
  if (limit && size > *limit) {
    return fail(EFBIG, Scope::message, Retry::never, "the server takes messages of at most {} octets", *limit);
  }
  const std::uint64_t others = used_ - file.counted;
  if (size > file.counted && others + size > around_.settings.staging_limit) {
    return fail(ENOSPC, "staged files would take more than {} octets", around_.settings.staging_limit);
  }
  return {};
}

void Staging::Implementation::count(File& file) {
  const auto size = file.content ? file.content->size() : 0;
  used_ = used_ - file.counted + size;
  file.counted = size;
}

/// The content is not what the server has.
void Staging::Implementation::changed(const FilePtr& file) {
  file->dirty = true;
  file->reported = false;
  file->named = false;
  file->no_mail.reset();
  file->told = false;
  file->changed = now();
  // Times are set when all is written; a write after that is a newer state with a time of its own.
  if (file->time) {
    file->time.reset();
    file->row.internal_date.reset();
  }
  count(*file);
  show(*file);
}

void Staging::Implementation::write(const WriteRequest& request, const Reply<std::size_t>& reply) {
  const auto file = find(request.node);
  if (!file) return reply(fail(closed()));
  when_idle(file, [this, file, request, reply] {
    const std::uint64_t begin = request.append ? file->size() : request.offset;
    const std::uint64_t end = begin + request.data.size();
    if (end < begin) return refuse(*file, reply, beyond_any_file());
    if (auto fits = check_size(*file, std::max(end, file->size())); !fits) {
      return refuse(*file, reply, std::move(fits).error());
    }
    if (auto room = check_quota(); !room) return refuse(*file, reply, std::move(room).error());
    // Who opened it since has seen what the server made of it, and writes into that.
    const auto open = file->handles.find(request.handle);
    if (!request.append && (open == file->handles.end() || !open->second.from_before)) file->as_written.reset();
    if (open != file->handles.end()) {
      open->second.wrote = true;
      open->second.flushed = false;
    }
    with_content(file, [this, file, request, reply](Result<void> ready) {
      if (!ready) return refuse(*file, reply, std::move(ready).error());
      const auto offset = request.append ? file->content->size() : request.offset;
      auto written = file->content->write(offset, request.data);
      changed(file);
      if (!written) return refuse(*file, reply, std::move(written).error());
      if (offset != request.offset) pages_are_wrong(*file);
      reply(request.data.size());
    });
  });
}

/// The kernel places an O_APPEND write where it believes the end to be, and keeps the data in its pages at that place.
/// It is wrong where the file has grown by an upload since it looked, and where the server lies about sizes.
void Staging::Implementation::pages_are_wrong(const File& file) {
  shown_.with_lock([&](Shown& shown) { shown.stale_pages.insert(file.node); });
  around_.publisher.kernel().file_changed(file.node, true);
}

void Staging::Implementation::truncate(NodeId node, std::uint64_t size, const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(closed()));
  when_idle(file, [this, file, size, reply] {
    file->reserved = 0;
    // Also what rsync --inplace and borg end with.
    if (size == file->size() && (file->content || file->original)) {
      if (size == 0) file->failed.reset();
      return reply({});
    }
    // The size is meant as stat shows it.
    file->as_written.reset();
    if (auto fits = check_size(*file, size); !fits) return refuse(*file, reply, std::move(fits).error());
    const auto cut = [this, file, size, reply](Result<void> ready) {
      if (!ready) return refuse(*file, reply, std::move(ready).error());
      auto done = file->content->truncate(size);
      changed(file);
      if (!done) return refuse(*file, reply, std::move(done).error());
      if (size == 0) file->failed.reset();
      reply({});
    };
    if (size == 0) return with_empty_content(file, cut);
    with_content(file, cut);
  });
}

void Staging::Implementation::allocate(NodeId node, std::uint64_t offset, std::uint64_t length,
                                       const Reply<void>& reply) {
  const auto file = find(node);
  if (!file) return reply(fail(closed()));
  when_idle(file, [this, file, offset, length, reply] {
    const std::uint64_t end = offset + length;
    if (end < offset) return refuse(*file, reply, beyond_any_file());
    if (auto fits = check_size(*file, std::max(end, file->size())); !fits) {
      return refuse(*file, reply, std::move(fits).error());
    }
    with_content(file, [this, file, offset, length, reply](Result<void> ready) {
      if (!ready) return refuse(*file, reply, std::move(ready).error());
      auto done = file->content->allocate(offset, length);
      changed(file);
      if (!done) return refuse(*file, reply, std::move(done).error());
      reply({});
    });
  });
}

/// Makes a row and an empty file for it.
Result<void> Staging::Implementation::stage(const FilePtr& file) {
  auto row = file->row;
  row.state = store::StagedFile::State::open;
  set_place(row, file->mailbox, file->name);
  row.reason.clear();
  row.changed_at = now().seconds;
  IMAPFS_TRY(around_.journal->stage(row));
  auto content = StagedContent::open(around_.journal->staging_path(row.id));
  if (!content) {
    (void)around_.journal->unstage(row.id);
    return fail(std::move(content).error());
  }
  file->row = std::move(row);
  file->content = std::move(*content);
  return {};
}

/// Of a file that an earlier process left.
Result<void> Staging::Implementation::open_content(File& file) {
  if (file.content) return {};
  file.content = IMAPFS_TRY(StagedContent::open(around_.journal->staging_path(file.row.id)));
  if (file.written) file.content->set_written(*std::exchange(file.written, std::nullopt));
  return {};
}

void Staging::Implementation::with_content(const FilePtr& file, std::function<void(Result<void>)> job) {
  if (file->has_row()) return job(open_content(*file));
  // Uploaded and still open: what was uploaded is the beginning of the next version.
  const auto before = file->content ? file->content : file->as_written;
  if (!before) {
    return follow_message(file, [this, file, job](Result<void> found) {
      if (!found) return job(std::move(found));
      fetch(file, job);
    });
  }
  job(stage_copy(file, before));
}

/// Begins another version of the file with these octets.
Result<void> Staging::Implementation::stage_copy(const FilePtr& file, const std::shared_ptr<StagedContent>& octets) {
  const auto before = std::exchange(file->content, nullptr);
  auto ready = stage(file);
  if (ready) ready = file->content->copy_from(*octets);
  if (ready) {
    file->as_written.reset();
    return {};
  }
  const auto id = std::exchange(file->row.id, {});
  if (id.value != 0) (void)around_.journal->unstage(id);
  file->content = before;
  return ready;
}

void Staging::Implementation::with_empty_content(const FilePtr& file, const std::function<void(Result<void>)>& job) {
  if (file->has_row()) return job(open_content(*file));
  const auto before = std::exchange(file->content, nullptr);
  auto ready = stage(file);
  if (!ready) file->content = before;
  job(std::move(ready));
}

void Staging::Implementation::fetch(const FilePtr& file, const std::function<void(Result<void>)>& job) {
  file->busy = true;
  locate_source(*file);
  const auto done = [this, file, job](Result<void> fetched) {
    if (!fetched && file->has_row()) {
      (void)around_.journal->unstage(std::exchange(file->row.id, {}));
    }
    count(*file);
    // The job goes before those who wait, and may keep the file busy with an upload.
    file->busy = false;
    job(std::move(fetched));
    if (!file->busy) go_on(file);
  };
  around_.account.open_body(
      file->source.mailbox, file->source.uid,
      on_thread<std::shared_ptr<sync::Body>>([this, file, done](Result<std::shared_ptr<sync::Body>> body) {
        if (!body) return done(fail(std::move(body).error().while_doing("fetch the message that is to be changed")));
        if (auto fits = check_size(*file, (*body)->length()); !fits) return done(std::move(fits));
        if (auto staged = stage(file); !staged) return done(std::move(staged));
        // Reads come from the message until all of it is here.
        const auto content = std::exchange(file->content, nullptr);
        fetch_piece(content, *body, 0, [file, content, done](Result<void> fetched) {
          if (fetched) file->content = content;
          done(std::move(fetched));
        });
      }));
}

void Staging::Implementation::fetch_piece(const std::shared_ptr<StagedContent>& content,
                                          const std::shared_ptr<sync::Body>& body, std::uint64_t offset,
                                          const std::function<void(Result<void>)>& job) {
  if (offset >= body->length()) return job({});
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(fetch_chunk, body->length() - offset));
  body->read(offset, wanted, on_thread<BodySlice>([this, content, body, offset, job](Result<BodySlice> slice) {
               if (!slice) return job(fail(std::move(slice).error().while_doing("fetch the message to be changed")));
               if (slice->length == 0) return job(fail(EIO, "the message is shorter than announced"));
               auto copied = content->write_from(slice->descriptor, slice->offset, slice->length, offset);
               if (!copied) return job(std::move(copied));
               fetch_piece(content, body, offset + slice->length, job);
             }));
}

}  // namespace imapfs::vfs
