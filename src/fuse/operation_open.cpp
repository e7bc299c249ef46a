// open, read, flush, release, poll: files.
#include <fcntl.h>

#include "fuse/operations.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

fuse_bufvec to_buffer(const vfs::BodySlice& slice) {
  fuse_bufvec vector = FUSE_BUFVEC_INIT(slice.length);
  vector.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY);
  vector.buf[0].fd = slice.descriptor;
  vector.buf[0].pos = static_cast<off_t>(slice.offset);
  return vector;
}

/// Puts a whole small body into the page cache, so that the reader sends no READ. Only on the thread that serves the
/// open, and on one at a time: storing waits for pages that an earlier READ of the same file holds locked, and that
/// READ must find another thread to be answered by.
void push_body(OperationContext& context, vfs::NodeId node, const vfs::BodySlice& body) {
  if (body.length == 0 || context.storing.test_and_set()) return;
  auto buffer = to_buffer(body);
  const int outcome = fuse_lowlevel_notify_store(context.session, node.value, 0, &buffer,
                                                 static_cast<fuse_buf_copy_flags>(0));
  context.storing.clear();
  if (outcome != 0 && outcome != -ENOENT)
    telemetry::trace(telemetry::Category::fuse, "push of node {:x}: {}", node.value,
                     system_error(-outcome, "store").what);
}

/// The answer of an open, with all that has to happen before it. `served_now`: still on the request's own thread.
/// `context` is of use only while the request is unanswered: the mount may have ended since.
void answer_open(OperationContext& context, vfs::Filesystem* filesystem, const std::shared_ptr<Request>& request,
                 const Result<vfs::OpenResult>& result, fuse_file_info file, bool served_now) {
  if (!result) {
    request->fail(result.error());
    return;
  }
  const bool taken = request->succeed([&](fuse_req_t raw) {
    // Attributes alone: never waits for anybody.
    if (result->size_corrected) fuse_lowlevel_notify_inval_inode(context.session, request->node().value, -1, 0);
    if (result->whole && served_now) push_body(context, request->node(), *result->whole);
    apply(*result, file);
    return fuse_reply_open(raw, &file);
  });
  // Nobody will send a RELEASE for a handle that the kernel did not get.
  if (!taken) filesystem->release(request->node(), result->handle);
}

int write_read_result(fuse_req_t raw, const vfs::ReadResult& result) {
  if (const auto* bytes = std::get_if<std::string>(&result.content))
    return fuse_reply_buf(raw, bytes->data(), bytes->size());
  const auto& slice = std::get<vfs::BodySlice>(result.content);
  if (slice.length == 0) return fuse_reply_buf(raw, nullptr, 0);
  auto buffer = to_buffer(slice);
  return fuse_reply_data(raw, &buffer, static_cast<fuse_buf_copy_flags>(0));
}

}  // namespace

void apply(const vfs::OpenResult& opened, fuse_file_info& file) {
  file.fh = opened.handle;
  file.keep_cache = opened.keep_cache;
  file.direct_io = opened.direct_io;
  file.nonseekable = opened.nonseekable;
  file.noflush = opened.no_flush;
}

void operation_open(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file) {
  serve(raw, "open", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    const auto own_thread = std::this_thread::get_id();
    const auto within_call = std::make_shared<std::atomic<bool>>(true);
    const bool writes = (file->flags & O_ACCMODE) != O_RDONLY;
    const auto caller = writes ? caller_and_process(*request) : request->caller();
    context.filesystem->open(caller, request->node(), file->flags,
                             [&context, filesystem = context.filesystem, request, file = *file, own_thread,
                              within_call](const Result<vfs::OpenResult>& result) {
                               const bool served_now = *within_call && std::this_thread::get_id() == own_thread;
                               answer_open(context, filesystem, request, result, file, served_now);
                             });
    *within_call = false;
  });
}

void operation_read(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* file) {
  const bool waits = context_of(raw).filesystem->waits_for_events(vfs::NodeId{node});
  serve(
      raw, "read", node, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->read(
            request->caller(),
            {.node = request->node(),
             .handle = file->fh,
             .offset = static_cast<std::uint64_t>(offset),
             .size = size,
             .flags = file->flags},
            answer<vfs::ReadResult>(request, [&context, node](fuse_req_t kernel, const vfs::ReadResult& result) {
              // Attributes alone: never waits for anybody, not for the pages of this READ.
              if (result.size_corrected) fuse_lowlevel_notify_inval_inode(context.session, node, -1, 0);
              return write_read_result(kernel, result);
            }));
      },
      waits ? DeadlineRule::unlimited : DeadlineRule::limited);
}

/// close(2), once per descriptor. What it answers is what the program sees of an upload.
void operation_flush(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file) {
  serve(
      raw, "flush", node, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->flush(caller_and_end(*request), request->node(), file->fh, answer_nothing(request));
      },
      DeadlineRule::unlimited, Interrupts::once_begun);
}

/// The last close(2) has happened: nobody waits for this answer, so it can carry no error.
void operation_release(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file) {
  serve(raw, "release", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->release(request->node(), file->fh);
    answer_nothing(request)({});
  });
}

void operation_poll(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file, fuse_pollhandle* handle) {
  const std::shared_ptr<fuse_pollhandle> owned(handle, [](fuse_pollhandle* last) {
    if (last != nullptr) fuse_pollhandle_destroy(last);
  });
  serve(raw, "poll", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    std::function<void()> wake;
    if (owned)
      wake = [owned, notifier = std::weak_ptr(context.notifier)] {
        if (const auto alive = notifier.lock()) alive->poll_ready(owned);
      };
    context.filesystem->poll(
        request->caller(), request->node(), file->fh, std::move(wake),
        answer<unsigned>(request, [](fuse_req_t kernel, unsigned events) { return fuse_reply_poll(kernel, events); }));
  });
}

}  // namespace imapfs::fuse
