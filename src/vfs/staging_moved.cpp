// A message that is open for writing while it is moved, renamed, removed or replaced: what is written follows the file, as on
// any file system.

#include <utility>

#include "staging_implementation.hpp"

namespace imapfs::vfs {

void Staging::Implementation::message_gone(NodeId node) {
  const auto file = find(node);
  if (!file || !file->original || file->handles.empty()) return;
  when_idle(file, [file] { file->nameless = true; });
}

void Staging::Implementation::message_renamed(NodeId node, const std::string& name) {
  const auto file = find(node);
  if (file && file->original) file->original->meta.file_name = name;
}

void Staging::Implementation::follow_message(const FilePtr& file, const Job& job) {
  if (!file->original) return job();
  const auto local = around_.entries.find(file->node);
  if (!local || local->kind != LocalEntry::Kind::pending) {
    refresh(*file->original);
    return job();
  }
  file->busy = true;
  around_.account.await_change(
      local->change, on_thread<sync::Arrival>([this, file, change = local->change, job](Result<sync::Arrival> arrival) {
        // Refused, or arrived nobody knows where: it is where it was, and the server says what is wrong with that.
        if (arrival && arrival->message.uid.value != 0)
          around_.entries.arrived(file->node, file->generation, arrival->message, change);
        refresh(*file->original);
        file->busy = false;
        job();
        if (!file->busy) go_on(file);
      }));
}

}  // namespace imapfs::vfs
