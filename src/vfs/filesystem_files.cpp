// Operations on files: opening, reading, writing, their attributes.

#include <fcntl.h>

#include <utility>

#include "filesystem_views.hpp"
#include "imapfs/vfs/filesystem.hpp"

namespace imapfs::vfs {

namespace {

template <class T>
void refuse(const char* operation, const Reply<T>& reply) {
  reply(fail(EROFS, "this version of imapfs is read-only: {}", operation));
}

}  // namespace

void Filesystem::open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) {
    return reply(fail(EROFS, "this version of imapfs is read-only: open for writing"));
  }
  file->view->open(caller, file->node, flags, std::move(reply));
}

void Filesystem::read(const Caller& caller, const ReadRequest& request, Reply<ReadResult> reply) {
  auto file = target(request.node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->read(caller, file->node, request, std::move(reply));
}

void Filesystem::flush(const Caller&, NodeId, HandleId, Reply<void> reply) { reply({}); }

void Filesystem::fsync(const Caller&, NodeId, HandleId, Reply<void> reply) { reply({}); }

void Filesystem::fsyncdir(const Caller&, NodeId, Reply<void> reply) { reply({}); }

void Filesystem::release(NodeId node, HandleId handle) {
  if (auto file = target(node)) file->view->release(file->node, handle);
}

void Filesystem::setattr(const Caller& caller, NodeId node, const AttributeChanges&, Reply<AttributesReply> reply) {
  const auto announcement = caller.announcer ? announcements_.find(node) : std::nullopt;
  if (announcement && announcement->kind == Announcement::Kind::attributes) {
    return getattr(caller, node, std::move(reply));
  }
  refuse("change attributes", reply);
}

void Filesystem::create(const Caller&, NodeId, const std::string&, mode_t, Reply<CreateResult> reply) {
  refuse("create a message", reply);
}

void Filesystem::write(const Caller&, const WriteRequest&, Reply<std::size_t> reply) { refuse("write", reply); }

void Filesystem::copy_file_range(const Caller&, const CopyRangeRequest&, Reply<std::size_t> reply) {
  refuse("copy", reply);
}

void Filesystem::fallocate(const Caller&, NodeId, HandleId, int, std::uint64_t, std::uint64_t, Reply<void> reply) {
  refuse("allocate", reply);
}

}  // namespace imapfs::vfs
