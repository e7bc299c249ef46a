// getattr, setattr.
#include <ctime>

#include "fuse/operations.hpp"

namespace imapfs::fuse {
namespace {

vfs::Timestamp to_timestamp(const timespec& time) { return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)}; }

vfs::Timestamp now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return to_timestamp(time);
}

vfs::AttributeChanges to_changes(const struct stat& values, int which) {
  vfs::AttributeChanges changes;
  if ((which & FUSE_SET_ATTR_MODE) != 0) changes.mode = values.st_mode;
  if ((which & FUSE_SET_ATTR_UID) != 0) changes.uid = values.st_uid;
  if ((which & FUSE_SET_ATTR_GID) != 0) changes.gid = values.st_gid;
  if ((which & FUSE_SET_ATTR_SIZE) != 0) changes.size = static_cast<std::uint64_t>(values.st_size);
  if ((which & FUSE_SET_ATTR_ATIME) != 0) changes.access_time = to_timestamp(values.st_atim);
  if ((which & FUSE_SET_ATTR_MTIME) != 0) changes.modification_time = to_timestamp(values.st_mtim);
  if ((which & FUSE_SET_ATTR_ATIME_NOW) != 0) changes.access_time = now();
  if ((which & FUSE_SET_ATTR_MTIME_NOW) != 0) changes.modification_time = now();
  return changes;
}

}  // namespace

void operation_getattr(fuse_req_t raw, fuse_ino_t node, fuse_file_info*) {
  serve(raw, "getattr", node, {}, [&](OperationContext& context, const std::shared_ptr<Request>& request) {
    context.filesystem->getattr(request->caller(), request->node(), answer_attributes(request));
  });
}

void operation_setattr(fuse_req_t raw, fuse_ino_t node, struct stat* values, int which, fuse_file_info*) {
  // The date of a message that was just uploaded can only be changed by uploading it again.
  const bool may_upload = (which & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0;
  serve(
      raw, "setattr", node, {},
      [&](OperationContext& context, const std::shared_ptr<Request>& request) {
        context.filesystem->setattr(request->caller(), request->node(), to_changes(*values, which),
                                    tell_late(context, request, answer_attributes(request)));
      },
      may_upload ? DeadlineRule::unlimited : DeadlineRule::limited);
}

}  // namespace imapfs::fuse
