#include "vfs/staging/flushed_files.hpp"

#include <cerrno>
#include <utility>

namespace imapfs::vfs {

/// A child that inherited the descriptor ends; who opened it may still be writing.
bool FlushedFiles::is_by_its_writer(const Caller& caller, OpenHandles::Open& open) {
  if (!open.writes) return false;
  if (open.process != 0 && caller.process != 0 && caller.process != open.process) return false;
  if (!caller.killed) open.flushed = true;
  return true;
}

void FlushedFiles::flush(const Caller& caller, NodeId node, HandleId handle, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file) return reply({});
  auto* const open = file->handles.find(handle);
  if (open && !is_by_its_writer(caller, *open)) return reply({});
  if (caller.killed) return flush_killed(file, handle, reply);
  if (file->dirty || file->failed) return flush_written(file, handle, reply);
  use_.kernel.show_message(*file);
  reply({});
}

void FlushedFiles::flush_killed(const StagedFilePtr& file, HandleId handle, const Reply<void>& reply) const {
  if (file->handles.is_others_work(handle)) return reply({});
  // Its last call may still be on its way: it waits for bytes of the message, and nobody waits for it any more.
  use_.files.when_idle(file, [this, file] {
    if (!file->dirty) return use_.kernel.show_message(*file);
    file->failed = Error{ECANCELED, Scope::message, Retry::never,
                         "the program that wrote it was killed: it may be a part"};
  });
  reply({});
}

void FlushedFiles::flush_written(const StagedFilePtr& file, HandleId handle, const Reply<void>& reply) const {
  use_.files.when_idle(file, [this, file, handle, reply] {
    if (use_.unfinished.expects_more(*file, handle)) return reply({});
    upload(file, [this, file, reply](Result<void> uploaded) {
      if (uploaded) use_.kernel.show_message(*file);
      reply(std::move(uploaded));
    });
  });
}

void FlushedFiles::fsync(NodeId node, const Reply<void>& reply) const {
  const auto file = use_.files.find(node);
  if (!file || (!file->dirty && !file->failed)) return reply({});
  if (file->failed || (!use_.stages.has_temporary_name(*file) && !file->nameless)) return upload(file, reply);
  use_.files.when_idle(file, [this, file, reply] {
    auto durable = use_.loader.open(*file);
    if (durable) durable = file->content->sync();
    if (durable) durable = use_.outbox.sync();
    reply(std::move(durable));
  });
}

/// Somebody waits for the server's word.
void FlushedFiles::upload(const StagedFilePtr& file, const Reply<void>& reply) const {
  use_.files.when_idle(file, [this, file, reply] { upload_idle(file, reply); });
}

void FlushedFiles::upload_idle(const StagedFilePtr& file, const Reply<void>& reply) const {
  if (file->failed) {
    const auto error = *file->failed;
    use_.refused.report_partial(*file);
    return reply(fail(error));
  }
  use_.originals.judge_name(*file);
  if (!file->dirty || file->nameless || file->size() == 0 || use_.stages.has_temporary_name(*file)) return reply({});
  use_.originals.follow(file, [this, file, reply](Result<void> found) {
    const auto destination = use_.destinations.of(*file);
    const auto ended = [this, file, destination, reply](Result<sync::Arrival> arrived) {
      if (arrived) return reply({});
      use_.refused.report(*file, destination, arrived.error());
      reply(fail(std::move(arrived).error().while_doing("upload")));
    };
    if (!found) return ended(fail(std::move(found).error()));
    use_.uploader.upload(file, destination, ended);
  });
}

}  // namespace imapfs::vfs
