// lookup, forget: names becoming nodes, and nodes the kernel lets go.
#include "fuse/operations.hpp"

namespace imapfs::fuse {

void operation_lookup(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  serve(raw, "lookup", parent, name, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->lookup(request->caller(), request->node(), name, answer_entry(request));
  });
}

// FORGET has no answer and may come in thousands: no Request is made of it.
void operation_forget(fuse_req_t raw, fuse_ino_t node, std::uint64_t) {
  context_of(raw).filesystem->forget(vfs::NodeId{node});
  fuse_reply_none(raw);
}

void operation_forget_multi(fuse_req_t raw, std::size_t count, fuse_forget_data* forgets) {
  auto& filesystem = *context_of(raw).filesystem;
  for (std::size_t index = 0; index < count; ++index) filesystem.forget(vfs::NodeId{forgets[index].ino});
  fuse_reply_none(raw);
}

}  // namespace imapfs::fuse
