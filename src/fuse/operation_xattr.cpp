// getxattr, listxattr, setxattr, removexattr.
#include <sys/xattr.h>

#include "fuse/operations.hpp"

namespace imapfs::fuse {
namespace {

/// getxattr(2): size 0 asks for the length; a value that does not fit is ERANGE.
vfs::Reply<std::string> answer_value(const std::shared_ptr<Request>& request, std::size_t size) {
  return [request, size](const Result<std::string>& value) {
    if (!value) {
      request->fail(value.error());
    } else if (size == 0) {
      (void)request->succeed([&](fuse_req_t raw) { return fuse_reply_xattr(raw, value->size()); });
    } else if (value->size() > size) {
      request->fail({ERANGE, Scope::request, Retry::never, "the caller's buffer is too small"});
    } else {
      (void)request->succeed([&](fuse_req_t raw) { return fuse_reply_buf(raw, value->data(), value->size()); });
    }
  };
}

}  // namespace

void operation_getxattr(fuse_req_t raw, fuse_ino_t node, const char* name, std::size_t size) {
  serve(raw, "getxattr", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->getxattr(request->caller(), request->node(), name, answer_value(request, size));
  });
}

void operation_listxattr(fuse_req_t raw, fuse_ino_t node, std::size_t size) {
  serve(raw, "listxattr", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    // Programs that copy or back up ask for each name they are given, in every run, and try to set it on the copy,
    // though all but the flags is in the file itself. ENOSYS, not an empty list: from then on the kernel answers
    // EOPNOTSUPP without asking (its no_listxattr; reading by name goes on), which is what a second restic needs to be
    // as fast as on a local disk.
    if (!context.list_xattrs) {
      request->fail({ENOSYS, Scope::request, Retry::never, "attributes are listed only with list-xattrs"});
      return;
    }
    context.filesystem->listxattr(request->caller(), request->node(), answer_value(request, size));
  });
}

void operation_setxattr(fuse_req_t raw, fuse_ino_t node, const char* name, const char* value, std::size_t size,
                        int flags) {
  serve(raw, "setxattr", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    auto* const filesystem = context.filesystem;
    const auto set = [filesystem, request, name = std::string(name), value = std::string(value, size)] {
      filesystem->setxattr(request->caller(), request->node(), name, value, answer_nothing(request));
    };
    if ((flags & XATTR_CREATE) == 0) return set();
    filesystem->getxattr(request->caller(), request->node(), name, [request, set](const Result<std::string>& existing) {
      if (existing) request->fail({EEXIST, Scope::request, Retry::never, "the attribute exists already"});
      else set();
    });
  });
}

void operation_removexattr(fuse_req_t raw, fuse_ino_t node, const char* name) {
  serve(raw, "removexattr", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->removexattr(request->caller(), request->node(), name, answer_nothing(request));
  });
}

}  // namespace imapfs::fuse
