#include "vfs/staging/file_bytes.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

Error closed() { return Error{EBADF, Scope::request, Retry::never, "the file is not open"}; }

Error beyond_any_file() { return Error{EFBIG, Scope::message, Retry::never, "beyond what a file can hold"}; }

/// A change of the bytes has failed: what is here of an open file is not whole. truncate(2) of a closed one that fails
/// changes nothing.
template <class T>
void refuse_change(StagedFile& file, const Reply<T>& reply, Error error) {
  if (!file.handles.empty()) file.failed = error;
  reply(fail(std::move(error)));
}

void read_body(const std::shared_ptr<sync::Body>& body, const ReadRequest& request, const Reply<ReadResult>& reply) {
  const auto length = body->length();
  if (request.offset >= length || request.size == 0) return reply(ReadResult(std::string()));
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(request.size, length - request.offset));
  body->read(request.offset, wanted, [body, reply](Result<BodySlice> slice) {
    if (!slice) return reply(fail(std::move(slice).error().while_doing("read the message")));
    if (slice->length == 0) return reply(ReadResult(std::string()));
    reply(ReadResult(std::move(*slice)));
  });
}

}  // namespace

void FileBytes::read(const ReadRequest& request, const Reply<ReadResult>& reply) const {
  const auto file = use_.files.find(request.node);
  if (!file) return reply(fail(ESTALE, Scope::message, Retry::never, "the file is not staged any more"));
  if (!file->content && file->source.uid.value != 0) return read_source(file, request, reply);
  if (auto open = use_.loader.open(*file); !open) return reply(fail(std::move(open).error()));
  auto data = file->content->read(request.offset, request.size);
  if (!data) return reply(fail(std::move(data).error()));
  reply(ReadResult(std::move(*data)));
}

/// From the message, until the file has content of its own.
void FileBytes::read_source(const StagedFilePtr& file, const ReadRequest& request,
                            const Reply<ReadResult>& reply) const {
  if (file->body) return read_body(file->body, request, reply);
  use_.originals.locate_source(*file);
  use_.bodies.open(file->source.mailbox, file->source.uid,
                   use_.thread.completion<std::shared_ptr<sync::Body>>(
                       [file, request, reply](Result<std::shared_ptr<sync::Body>> body) {
                         if (!body) return reply(fail(std::move(body).error().while_doing("open the message")));
                         file->body = *body;
                         read_body(*body, request, reply);
                       }));
}

/// The content is not what the server has.
void FileBytes::changed(StagedFile& file) const {
  file.dirty = true;
  file.reported = false;
  file.named = false;
  file.no_mail.reset();
  file.told = false;
  file.changed = precise_now();
  // Times are set when all is written; a write after that is a newer state with a time of its own.
  if (file.time) {
    file.time.reset();
    file.row.internal_date.reset();
  }
  use_.limits.count(file);
  use_.shown.show(file);
}

void FileBytes::write(const WriteRequest& request, const Reply<std::size_t>& reply) const {
  const auto file = use_.files.find(request.node);
  if (!file) return reply(fail(closed()));
  use_.files.when_idle(file, [this, file, request, reply] { write_idle(file, request, reply); });
}

/// Who opened it since has seen what the server made of it, and writes into that.
void FileBytes::note_write(StagedFile& file, const WriteRequest& request) {
  auto* const open = file.handles.find(request.handle);
  if (!request.append && (!open || !open->from_before)) file.as_written.reset();
  if (!open) return;
  open->wrote = true;
  open->flushed = false;
}

void FileBytes::write_idle(const StagedFilePtr& file, const WriteRequest& request,
                           const Reply<std::size_t>& reply) const {
  const std::uint64_t begin = request.append ? file->size() : request.offset;
  const std::uint64_t end = begin + request.data.size();
  if (end < begin) return refuse_change(*file, reply, beyond_any_file());
  if (auto fits = use_.limits.check_size(*file, std::max(end, file->size())); !fits) {
    return refuse_change(*file, reply, std::move(fits).error());
  }
  if (auto room = use_.limits.check_quota(); !room) return refuse_change(*file, reply, std::move(room).error());
  note_write(*file, request);
  use_.loader.with_content(file, [this, file, request, reply](Result<void> ready) {
    if (!ready) return refuse_change(*file, reply, std::move(ready).error());
    const auto offset = request.append ? file->content->size() : request.offset;
    auto written = file->content->write(offset, request.data);
    changed(*file);
    if (!written) return refuse_change(*file, reply, std::move(written).error());
    if (offset != request.offset) use_.kernel.pages_are_wrong(file->node);
    reply(request.data.size());
  });
}

void FileBytes::truncate(NodeId node, std::uint64_t size, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return reply(fail(closed()));
  use_.files.when_idle(file, [this, file, size, reply] { truncate_idle(file, size, reply); });
}

void FileBytes::truncate_idle(const StagedFilePtr& file, std::uint64_t size, const Reply<void>& reply) const {
  file->reserved = 0;
  // Also what rsync --inplace and borg end with.
  if (size == file->size() && (file->content || file->original)) {
    if (size == 0) file->failed.reset();
    return reply({});
  }
  // The size is meant as stat shows it.
  file->as_written.reset();
  if (auto fits = use_.limits.check_size(*file, size); !fits) {
    return refuse_change(*file, reply, std::move(fits).error());
  }
  const auto cut = [this, file, size, reply](Result<void> ready) {
    if (!ready) return refuse_change(*file, reply, std::move(ready).error());
    auto done = file->content->truncate(size);
    changed(*file);
    if (!done) return refuse_change(*file, reply, std::move(done).error());
    if (size == 0) file->failed.reset();
    reply({});
  };
  if (size == 0) return use_.loader.with_empty_content(file, cut);
  use_.loader.with_content(file, cut);
}

void FileBytes::allocate(NodeId node, std::uint64_t offset, std::uint64_t length, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return reply(fail(closed()));
  use_.files.when_idle(file, [this, file, offset, length, reply] { allocate_idle(file, offset, length, reply); });
}

void FileBytes::allocate_idle(const StagedFilePtr& file, std::uint64_t offset, std::uint64_t length,
                              const Reply<void>& reply) const {
  const std::uint64_t end = offset + length;
  if (end < offset) return refuse_change(*file, reply, beyond_any_file());
  if (auto fits = use_.limits.check_size(*file, std::max(end, file->size())); !fits) {
    return refuse_change(*file, reply, std::move(fits).error());
  }
  use_.loader.with_content(file, [this, file, offset, length, reply](Result<void> ready) {
    if (!ready) return refuse_change(*file, reply, std::move(ready).error());
    auto done = file->content->allocate(offset, length);
    changed(*file);
    if (!done) return refuse_change(*file, reply, std::move(done).error());
    reply({});
  });
}

void FileBytes::reserve(NodeId node, std::uint64_t size, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (file) file->reserved = std::max(file->reserved, size);
  reply({});
}

}  // namespace imapfs::vfs
