// setattr: what may be set is content and, of new files, the time; everything else stays what it is, and setting it to
// that succeeds.

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "imapfs/vfs/filesystem.hpp"
#include "vfs/operations/filesystem_views.hpp"

namespace imapfs::vfs {

namespace {

constexpr mode_t permissions = 07777;

/// `taken`: tools set modes here without looking, and fail if that does: on new files of this mount, and, when all
/// below is written (rsync -a, cp -a, tar), on directories. What is shown stays as it is.
Result<void> check_mode_and_owner(const Attributes& shown, const AttributeChanges& changes, bool taken) {
  if ((changes.uid && *changes.uid != shown.uid) || (changes.gid && *changes.gid != shown.gid)) {
    return fail(EPERM, "everything here belongs to who has mounted it");
  }
  if (changes.mode && !taken && (*changes.mode & permissions) != (shown.mode & permissions)) {
    return fail(EPERM, "modes come from the server's rights and cannot be set");
  }
  return {};
}

/// Whether there is a time left to be set.
bool sets_time(const Attributes& shown, const std::optional<Timestamp>& time) {
  return time && time->seconds != shown.time.seconds;
}

Error fixed_time() {
  return Error{EPERM, Scope::request, Retry::never, "times come from the server and cannot be set"};
}

}  // namespace

void Filesystem::setattr(const Caller& caller, NodeId node, const AttributeChanges& changes,
                         Reply<AttributesReply> reply) {
  const auto announcement = caller.announcer ? announcements_.find(node) : std::nullopt;
  if (announcement && announcement->kind == Announcement::Kind::attributes) {
    return getattr(caller, node, std::move(reply));
  }
  if (auto writable = check_writable("change attributes"); !writable) return reply(fail(std::move(writable).error()));
  getattr(caller, node, [this, caller, node, changes, reply = std::move(reply)](Result<AttributesReply> shown) {
    if (!shown) return reply(fail(std::move(shown).error()));
    const bool own = views_->staging->is_own_new_file(node);
    if (auto allowed = check_mode_and_owner(shown->attributes, changes, own || S_ISDIR(shown->attributes.mode));
        !allowed) {
      return reply(fail(std::move(allowed).error()));
    }
    resize(caller, node, shown->attributes, changes.size,
           [this, caller, node, changes, own, shown = shown->attributes, reply](Result<void> resized) {
             if (!resized) return reply(fail(std::move(resized).error()));
             set_times(node, shown, changes, own, [this, caller, node, reply](Result<void> set) {
               if (!set) return reply(fail(std::move(set).error()));
               getattr(caller, node, reply);
             });
           });
  });
}

void Filesystem::resize(const Caller& caller, NodeId node, const Attributes& shown, std::optional<std::uint64_t> size,
                        Reply<void> reply) {
  if (!size) return reply({});
  if (S_ISDIR(shown.mode)) return reply(fail(EISDIR, "a directory"));
  const auto meaning = decode_node(node);
  if (!meaning || meaning->kind == NodeKind::fixed) {
    return reply(fail(EACCES, "this file cannot be written"));
  }
  auto& staging = *views_->staging;
  staging.truncate(node, *size, [this, caller, node, shown, size, reply = std::move(reply)](Result<void> cut) {
    if (cut || cut.error().errnum != EBADF) return reply(std::move(cut));
    if (*size == shown.size) return reply({});
    resize_closed(caller, node, *size, reply);
  });
}

/// truncate(2) of a message that nobody has open: a new version, with the server's word.
void Filesystem::resize_closed(const Caller& caller, NodeId node, std::uint64_t size, Reply<void> reply) {
  open_for_writing(caller, node, O_WRONLY,
                   [this, caller, node, size, reply = std::move(reply)](Result<OpenResult> opened) {
                     if (!opened) return reply(fail(std::move(opened).error()));
                     const HandleId handle = opened->handle;
                     auto& staging = *views_->staging;
                     staging.truncate(node, size, [&staging, caller, node, handle, reply](Result<void> cut) {
                       if (!cut) {
                         staging.release(node, handle);
                         return reply(std::move(cut));
                       }
                       staging.flush(caller, node, handle, [&staging, node, handle, reply](Result<void> flushed) {
                         staging.release(node, handle);
                         reply(std::move(flushed));
                       });
                     });
                   });
}

void Filesystem::set_times(NodeId node, const Attributes& shown, const AttributeChanges& changes, bool own,
                           Reply<void> reply) {
  if (own) {
    // A file has one time here, that of modification.
    if (!changes.modification_time) return reply({});
    return views_->staging->set_time(node, *changes.modification_time, std::move(reply));
  }
  // rsync -a, cp -a and tar set the times of directories when all is written, and fail if that does. What a directory
  // shows is when its content changed, whatever is set.
  if (S_ISDIR(shown.mode)) return reply({});
  const bool differs = sets_time(shown, changes.modification_time) ||
                       (!changes.modification_time && sets_time(shown, changes.access_time));
  if (differs) return reply(fail(fixed_time()));
  reply({});
}

}  // namespace imapfs::vfs
