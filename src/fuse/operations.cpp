#include "fuse/operations.hpp"

#include <unistd.h>

#include "fuse/caller_state.hpp"
#include "imapfs/base/own_commands.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::fuse {
namespace {

/// Grows with what the server says and with what it takes of mail: in steps that a connection attempt does not reach.
std::uint64_t bytes_exchanged() {
  constexpr std::uint64_t step = 256 * 1024;
  return telemetry::counters().imap_bytes_in + telemetry::counters().imap_bytes_out / step;
}

double seconds(std::chrono::duration<double> duration) { return duration.count(); }

/// `data` is the request's id, not a pointer: libfuse may call this while another thread answers and forgets the
/// request.
void on_interrupt(fuse_req_t raw, void* data) {
  auto& context = context_of(raw);
  const auto id = static_cast<vfs::RequestId>(reinterpret_cast<std::uintptr_t>(data));
  const auto request = context.dependencies->registry->find(id);
  if (!request || context.filesystem->cancel(id)) return;
  request->interrupt();
}

}  // namespace

std::shared_ptr<Request> begin_request(fuse_req_t raw, const char* operation, fuse_ino_t node, std::string name,
                                       Interrupts interrupts) {
  const auto& context = context_of(raw);
  // An interrupt may answer the request, and libfuse free it, as soon as it has started.
  const fuse_ctx who = *fuse_req_ctx(raw);
  const bool announcer = context.notifier && context.notifier->announcer_thread() == who.pid && who.pid != 0;
  auto request = Request::start(
      context.dependencies,
      {operation,
       vfs::NodeId{node},
       std::move(name),
       {.thread = who.pid, .uid = who.uid, .gid = who.gid, .announcer = announcer, .request = 0},
       interrupts == Interrupts::once_begun},
      raw);
  // execvp(3) and shells go on with the next directory of PATH after this error.
  if (own_commands().include(who.pid))
    request->fail({ENODEV, Scope::request, Retry::never, "not for the command that the mount waits for"});
  return request;
}

void make_interruptible(fuse_req_t raw, vfs::RequestId id) {
  fuse_req_interrupt_func(raw, on_interrupt, reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)));
}

void leave_request(const std::shared_ptr<Request>& request, OperationContext& context, DeadlineRule rule) {
  if (rule == DeadlineRule::unlimited || request->answered()) return;
  request->arm_deadline(context.timeout, rule == DeadlineRule::limited ? nullptr : bytes_exchanged);
}

void fail_with_exception(Request& request, const std::exception& exception) {
  request.fail({EIO, Scope::request, Retry::never, fmt::format("unexpected exception: {}", exception.what())});
}

vfs::Caller caller_who_waits(const OperationContext& context, const std::shared_ptr<Request>& request) {
  auto caller = request->caller();
  caller.still_waits = [waiting = std::weak_ptr(request)] {
    const auto still = waiting.lock();
    return still && !still->answered();
  };
  // What is safe in the journal by then is answered with success, not with the ETIMEDOUT of the deadline.
  caller.answer_by = request->arrived() + context.timeout / 10 * 9;
  return caller;
}

vfs::Caller caller_and_process(const Request& request) {
  auto caller = request.caller();
  caller.process = caller_state(caller.thread).process;
  return caller;
}

vfs::Caller caller_and_end(const Request& request) {
  auto caller = request.caller();
  const auto state = caller_state(caller.thread);
  const auto ours = ::geteuid() == 0 || ::geteuid() == caller.uid;
  caller.process = state.process;
  caller.killed = state.ended_by_signal(ours);
  return caller;
}

vfs::Reply<void> answer_nothing(std::shared_ptr<Request> request) {
  return [request = std::move(request)](const Result<void>& result) {
    if (!result) request->fail(result.error());
    else (void)request->succeed([](fuse_req_t raw) { return fuse_reply_err(raw, 0); });
  };
}

vfs::Reply<vfs::Entry> answer_entry(std::shared_ptr<Request> request) {
  return answer<vfs::Entry>(std::move(request), [](fuse_req_t raw, const vfs::Entry& entry) {
    const auto parameters = to_entry(entry);
    return fuse_reply_entry(raw, &parameters);
  });
}

vfs::Reply<vfs::AttributesReply> answer_attributes(std::shared_ptr<Request> request) {
  return answer<vfs::AttributesReply>(std::move(request), [](fuse_req_t raw, const vfs::AttributesReply& reply) {
    const auto attributes = to_stat(reply.attributes);
    return fuse_reply_attr(raw, &attributes, seconds(reply.timeout));
  });
}

struct stat to_stat(const vfs::Attributes& attributes) {
  struct stat out {};
  out.st_ino = attributes.inode.value;
  out.st_mode = attributes.mode;
  out.st_nlink = attributes.links;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_size = static_cast<off_t>(attributes.size);
  out.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  out.st_blksize = static_cast<blksize_t>(attributes.block_size);
  out.st_mtim.tv_sec = attributes.time.seconds;
  out.st_mtim.tv_nsec = attributes.time.nanoseconds;
  out.st_atim = out.st_ctim = out.st_mtim;
  return out;
}

fuse_entry_param to_entry(const vfs::Entry& entry) {
  fuse_entry_param out{};
  out.ino = entry.node.value;
  out.generation = entry.generation;
  out.attr = to_stat(entry.attributes);
  out.entry_timeout = seconds(entry.entry_timeout);
  out.attr_timeout = seconds(entry.attribute_timeout);
  return out;
}

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops all{};
    all.init = operation_init;
    all.lookup = operation_lookup;
    all.forget = operation_forget;
    all.forget_multi = operation_forget_multi;
    all.getattr = operation_getattr;
    all.setattr = operation_setattr;
    all.open = operation_open;
    all.read = operation_read;
    all.flush = operation_flush;
    all.fsync = operation_fsync;
    all.fsyncdir = operation_fsyncdir;
    all.release = operation_release;
    all.poll = operation_poll;
    all.opendir = operation_opendir;
    all.readdir = operation_readdir;
    all.readdirplus = operation_readdirplus;
    all.statfs = operation_statfs;
    all.getxattr = operation_getxattr;
    all.listxattr = operation_listxattr;
    all.setxattr = operation_setxattr;
    all.removexattr = operation_removexattr;
    all.mknod = operation_mknod;
    all.mkdir = operation_mkdir;
    all.unlink = operation_unlink;
    all.rmdir = operation_rmdir;
    all.rename = operation_rename;
    all.link = operation_link;
    all.symlink = operation_symlink;
    all.create = operation_create;
    all.write = operation_write;
    all.copy_file_range = operation_copy_file_range;
    all.fallocate = operation_fallocate;
    return all;
  }();
  return table;
}

}  // namespace imapfs::fuse
