// mknod, mkdir, unlink, rmdir, rename, link, symlink: changes of names.
#include "fuse/operations.hpp"

namespace imapfs::fuse {
namespace {

/// Answers `request`; the kernel learns of a change of `names` that comes too late for that.
vfs::Reply<void> answer_change(const OperationContext& context, const std::shared_ptr<Request>& request,
                               std::vector<DirectoryPlace> names) {
  return tell_late(context, request, std::move(names), answer_nothing(request));
}

vfs::Reply<vfs::Entry> answer_new_entry(const OperationContext& context, const std::shared_ptr<Request>& request,
                                        DirectoryPlace name) {
  return tell_late(context, request, {std::move(name)}, answer_entry(request));
}

}  // namespace

void operation_mknod(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  serve(raw, "mknod", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->mknod(request->caller(), request->node(), name, mode,
                              answer_new_entry(context, request, {request->node(), name}));
  });
}

void operation_mkdir(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode) {
  serve(raw, "mkdir", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->mkdir(request->caller(), request->node(), name, mode,
                              answer_new_entry(context, request, {request->node(), name}));
  });
}

void operation_unlink(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  serve(raw, "unlink", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->unlink(caller_who_waits(context, request), request->node(), name,
                               answer_change(context, request, {{request->node(), name}}));
  });
}

void operation_rmdir(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  serve(raw, "rmdir", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->rmdir(request->caller(), request->node(), name,
                              answer_change(context, request, {{request->node(), name}}));
  });
}

// The final name of a file that was written under a temporary one uploads it. A rename that cannot wait for that is
// answered when the file is queued in the journal.

void operation_rename(fuse_req_t raw, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
                      unsigned flags) {
  serve(raw, "rename", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->rename(
        caller_who_waits(context, request),
        {.parent = request->node(),
         .name = name,
         .new_parent = vfs::NodeId{new_parent},
         .new_name = new_name,
         .flags = flags},
        answer_change(context, request, {{request->node(), name}, {vfs::NodeId{new_parent}, new_name}}));
  });
}

void operation_link(fuse_req_t raw, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  serve(raw, "link", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->link(caller_who_waits(context, request), request->node(), vfs::NodeId{new_parent}, new_name,
                             answer_new_entry(context, request, {vfs::NodeId{new_parent}, new_name}));
  });
}

void operation_symlink(fuse_req_t raw, const char* target, fuse_ino_t parent, const char* name) {
  serve(raw, "symlink", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->symlink(request->caller(), request->node(), name, target, answer_entry(request));
  });
}

}  // namespace imapfs::fuse
