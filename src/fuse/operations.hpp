#pragma once
// What the operations share: where they send their work, and how a request starts and is answered.
//
// One file per operation or per group that opens and closes together: operation_<name>.cpp. Each only translates
// between libfuse and vfs::Filesystem; decisions are vfs's. Included by src/fuse only.

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "imapfs/fuse/kernel_notifier.hpp"
#include "imapfs/fuse/request.hpp"
#include "imapfs/vfs/filesystem.hpp"

namespace imapfs::fuse {

/// The session's userdata.
struct OperationContext {
  vfs::Filesystem* filesystem = nullptr;
  std::shared_ptr<const Request::Dependencies> dependencies;
  SteadyClock::duration timeout{};
  std::uint32_t max_readahead = 0;
  bool list_xattrs = false;
  fuse_session* session = nullptr;
  /// Set once the session is mounted; null before.
  std::shared_ptr<SessionNotifier> notifier;
  /// At most one thread at a time stores pages: it may wait for another thread to answer a READ of the same file.
  std::atomic_flag storing;

  explicit OperationContext(vfs::Filesystem& all) : filesystem(&all) {}
};

inline OperationContext& context_of(fuse_req_t raw) { return *static_cast<OperationContext*>(fuse_req_userdata(raw)); }

/// Every operation of the file system.
const fuse_lowlevel_ops& operations();

/// limited: for all that holds a directory in the kernel, since whoever needs that directory waits with it, and no
/// signal ends such a wait. while_server_talks: fsync of a directory, which holds it too but may be about thousands of
/// changes: the deadline starts again as long as bytes come and go. unlimited: for what may carry a file of any size,
/// or waits for news. The layers below bound it by progress: an upload that stalls, or a server that does not answer,
/// ends it.
enum class DeadlineRule : std::uint8_t { limited, while_server_talks, unlimited };

/// What an interrupt can do to a request whose caller is being killed.
/// at_once: end it before it has begun; nobody waits for it.
/// once_begun: end it when the layers below have it, for flush: that is how they learn whose end it is, and the RELEASE
/// that follows the answer must not overtake it.
enum class Interrupts : std::uint8_t { at_once, once_begun };

/// Takes note of the request and makes it interruptible.
std::shared_ptr<Request> begin_request(fuse_req_t raw, const char* operation, fuse_ino_t node, std::string name,
                                       Interrupts interrupts);
/// For Request::Dependencies.
void make_interruptible(fuse_req_t raw, vfs::RequestId id);
/// The request's thread goes back for the next one: from here on the deadline counts.
void leave_request(const std::shared_ptr<Request>& request, OperationContext& context, DeadlineRule rule);
void fail_with_exception(Request& request, const std::exception& exception);

/// Runs `start`, which answers the request now or later; nothing it throws gets into libfuse.
template <class Start>
void serve(fuse_req_t raw, const char* operation, fuse_ino_t node, std::string name, Start&& start,
           DeadlineRule rule = DeadlineRule::limited, Interrupts interrupts = Interrupts::at_once) {
  auto& context = context_of(raw);
  const auto request = begin_request(raw, operation, node, std::move(name), interrupts);
  if (request->answered()) return;
  try {
    start(context, request);
  } catch (const std::exception& exception) {
    fail_with_exception(*request, exception);
  }
  if (interrupts == Interrupts::once_begun) request->heed_interrupts();
  leave_request(request, context, rule);
}

/// A completion that answers `request`: an Error by its errno, a value by `write(fuse_req_t, T&)`.
template <class T, class Write>
vfs::Reply<T> answer(std::shared_ptr<Request> request, Write write) {
  return [request = std::move(request), write = std::move(write)](Result<T> result) {
    if (!result) {
      request->fail(result.error());
      return;
    }
    [[maybe_unused]] const bool taken = request->succeed([&](fuse_req_t raw) { return write(raw, *result); });
  };
}

/// For a change of names: `reply`, and where the request has failed before the change happened (its deadline has
/// passed, its caller was killed), the kernel is told that it knows these names no longer.
template <class T>
vfs::Reply<T> tell_late(const OperationContext& context, std::shared_ptr<Request> request,
                        std::vector<DirectoryPlace> names, vfs::Reply<T> reply) {
  return [notifier = std::weak_ptr(context.notifier), request = std::move(request), names = std::move(names),
          reply = std::move(reply)](Result<T> result) {
    const bool happened = result.has_value();
    reply(std::move(result));
    if (!happened || !request->failed()) return;
    const auto alive = notifier.lock();
    for (const auto& name : names)
      if (alive) alive->entry_forgotten(name);
  };
}

/// The same for a change of what is in a file.
template <class T>
vfs::Reply<T> tell_late(const OperationContext& context, std::shared_ptr<Request> request, vfs::Reply<T> reply) {
  return [notifier = std::weak_ptr(context.notifier), request = std::move(request),
          reply = std::move(reply)](Result<T> result) {
    const bool happened = result.has_value();
    reply(std::move(result));
    if (!happened || !request->failed()) return;
    if (const auto alive = notifier.lock()) alive->content_changed(request->node());
  };
}

/// The caller of a change of names: see vfs::Caller::still_waits and answer_by.
[[nodiscard]] vfs::Caller caller_who_waits(const OperationContext& context, const std::shared_ptr<Request>& request);

/// The caller with its process, which costs reading a file of procfs.
[[nodiscard]] vfs::Caller caller_and_process(const Request& request);

/// The same for flush: and whether the process ends by a signal, which costs another one where it ends.
[[nodiscard]] vfs::Caller caller_and_end(const Request& request);

/// For operations that only succeed or fail.
vfs::Reply<void> answer_nothing(std::shared_ptr<Request> request);
vfs::Reply<vfs::Entry> answer_entry(std::shared_ptr<Request> request);
vfs::Reply<vfs::AttributesReply> answer_attributes(std::shared_ptr<Request> request);

[[nodiscard]] struct stat to_stat(const vfs::Attributes& attributes);
[[nodiscard]] fuse_entry_param to_entry(const vfs::Entry& entry);

// In the operation_*.cpp files, with libfuse's signatures.
void operation_init(void* context, fuse_conn_info* connection);
void operation_lookup(fuse_req_t raw, fuse_ino_t parent, const char* name);
void operation_forget(fuse_req_t raw, fuse_ino_t node, std::uint64_t count);
void operation_forget_multi(fuse_req_t raw, std::size_t count, fuse_forget_data* forgets);
void operation_getattr(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file);
void operation_setattr(fuse_req_t raw, fuse_ino_t node, struct stat* values, int which, fuse_file_info* file);
void operation_open(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file);
void operation_read(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* file);
void operation_flush(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file);
void operation_fsync(fuse_req_t raw, fuse_ino_t node, int data_only, fuse_file_info* file);
void operation_fsyncdir(fuse_req_t raw, fuse_ino_t node, int data_only, fuse_file_info* file);
void operation_release(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file);
void operation_poll(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file, fuse_pollhandle* handle);
void operation_opendir(fuse_req_t raw, fuse_ino_t node, fuse_file_info* file);
void operation_readdir(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* file);
void operation_readdirplus(fuse_req_t raw, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* file);
void operation_statfs(fuse_req_t raw, fuse_ino_t node);
void operation_getxattr(fuse_req_t raw, fuse_ino_t node, const char* name, std::size_t size);
void operation_listxattr(fuse_req_t raw, fuse_ino_t node, std::size_t size);
void operation_setxattr(fuse_req_t raw, fuse_ino_t node, const char* name, const char* value, std::size_t size,
                        int flags);
void operation_removexattr(fuse_req_t raw, fuse_ino_t node, const char* name);
void operation_mknod(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, dev_t device);
void operation_mkdir(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode);
void operation_unlink(fuse_req_t raw, fuse_ino_t parent, const char* name);
void operation_rmdir(fuse_req_t raw, fuse_ino_t parent, const char* name);
void operation_rename(fuse_req_t raw, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
                      unsigned flags);
void operation_link(fuse_req_t raw, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name);
void operation_symlink(fuse_req_t raw, const char* target, fuse_ino_t parent, const char* name);
void operation_create(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file);
void operation_write(fuse_req_t raw, fuse_ino_t node, const char* data, std::size_t size, off_t offset,
                     fuse_file_info* file);
void operation_copy_file_range(fuse_req_t raw, fuse_ino_t source, off_t source_offset, fuse_file_info* source_file,
                               fuse_ino_t target, off_t target_offset, fuse_file_info* target_file, std::size_t length,
                               int flags);
void operation_fallocate(fuse_req_t raw, fuse_ino_t node, int mode, off_t offset, off_t length, fuse_file_info* file);

/// The flags of an open file for its reply.
void apply(const vfs::OpenResult& opened, fuse_file_info& file);

}  // namespace imapfs::fuse
