#include "vfs/operations/attribute_operation.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/operations/writable.hpp"

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

}  // namespace

/// One setattr on its way: the size first, then the time, then what is shown now.
struct AttributeOperation::Operation {
  Caller caller;
  NodeId node;
  AttributeChanges changes;
  Reply<AttributesReply> reply;
  Attributes shown;
  bool own = false;  ///< a new file of this mount

  void refuse(Error error) const { reply(fail(std::move(error))); }
};

void AttributeOperation::get(NodeId node, Reply<AttributesReply> reply) {
  views_.entry(node, on_success(reply, [reply](const Entry& entry) {
                 reply(AttributesReply{entry.attributes, entry.attribute_timeout});
               }));
}

void AttributeOperation::set(const Caller& caller, NodeId node, const AttributeChanges& changes,
                             Reply<AttributesReply> reply) {
  if (auto writable = check_writable(staging_, "change attributes"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  get(node, on_success(reply, [this, caller, node, changes, reply](const AttributesReply& shown) {
        const bool own = staging_->is_own_new_file(node);
        auto allowed = check_mode_and_owner(shown.attributes, changes, own || S_ISDIR(shown.attributes.mode));
        if (!allowed) return reply(fail(std::move(allowed).error()));
        resize(std::make_shared<Operation>(Operation{caller, node, changes, reply, shown.attributes, own}));
      }));
}

void AttributeOperation::resize(const OperationPtr& operation) {
  const auto size = operation->changes.size;
  if (!size) return set_times(operation);
  if (S_ISDIR(operation->shown.mode)) return operation->reply(fail(EISDIR, "a directory"));
  const auto decoded = decode_node(operation->node);
  if (!decoded || decoded->kind == NodeKind::fixed) return operation->refuse(not_writable());
  staging_->truncate(operation->node, *size, [this, operation, size](Result<void> cut) {
    if (cut) return set_times(operation);
    if (cut.error().errnum != EBADF) return operation->refuse(std::move(cut).error());
    // Nobody has it open for writing.
    if (*size == operation->shown.size) return set_times(operation);
    resize_closed(operation);
  });
}

/// truncate(2) of a message that nobody has open: a new version, with the server's word.
void AttributeOperation::resize_closed(const OperationPtr& operation) {
  opening_.open_for_writing(operation->caller, operation->node, O_WRONLY,
                            on_success(operation->reply, [this, operation](const OpenResult& opened) {
                              truncate_opened(operation, opened.handle);
                            }));
}

void AttributeOperation::truncate_opened(const OperationPtr& operation, HandleId handle) {
  const auto close = [this, operation, handle](Result<void> done) {
    staging_->release(operation->node, handle);
    if (!done) return operation->refuse(std::move(done).error());
    set_times(operation);
  };
  staging_->truncate(operation->node, *operation->changes.size, [this, operation, handle, close](Result<void> cut) {
    if (!cut) return close(std::move(cut));
    staging_->flush(operation->caller, operation->node, handle, close);
  });
}

void AttributeOperation::set_times(const OperationPtr& operation) {
  const auto& [caller, node, changes, reply, shown, own] = *operation;
  if (own && changes.modification_time) {
    // A file has one time here, that of modification.
    return staging_->set_time(node, *changes.modification_time,
                              on_success(reply, [this, operation] { get(operation->node, operation->reply); }));
  }
  const bool differs = sets_time(shown, changes.modification_time) ||
                       (!changes.modification_time && sets_time(shown, changes.access_time));
  // rsync -a, cp -a and tar set the times of directories when all is written, and fail if that does. What a directory
  // shows is when its content changed, whatever is set.
  if (differs && !own && !S_ISDIR(shown.mode)) {
    return reply(fail(EPERM, "times come from the server and cannot be set"));
  }
  get(node, reply);
}

}  // namespace imapfs::vfs
