#include "vfs/staging/staged_files.hpp"

#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

StagedFilePtr StagedFiles::find(NodeId node) const {
  const auto found = files_.find(node);
  return found == files_.end() ? nullptr : found->second;
}

bool StagedFiles::is_known(const StagedFilePtr& file) const { return find(file->node) == file; }

void StagedFiles::add(const StagedFilePtr& file) {
  files_[file->node] = file;
  use_.shown.show(*file);
}

void StagedFiles::move(const StagedFilePtr& file, NodeId node) {
  files_.erase(file->node);
  use_.shown.forget(file->node);
  file->node = node;
  add(file);
}

void StagedFiles::drop(const StagedFilePtr& file) {
  if (auto gone = use_.outbox.discard(file->row); !gone) {
    telemetry::warning("a staged file stays on disk: {}", gone.error().what);
  }
  use_.limits.forget(*file);
  if (!is_known(file)) return;
  files_.erase(file->node);
  use_.shown.forget(file->node);
  use_.waiters.check();
}

void StagedFiles::when_idle(const StagedFilePtr& file, Job job) {
  if (file->busy || !file->waiting.empty()) return file->waiting.push_back(std::move(job));
  job();
}

void StagedFiles::go_on(const StagedFilePtr& file) {
  file->busy = false;
  while (!file->busy && !file->waiting.empty()) {
    const Job next = std::move(file->waiting.front());
    file->waiting.pop_front();
    next();
  }
  look_whether_unused(file);
}

void StagedFiles::look_whether_unused(const StagedFilePtr& file) {
  if (!file->busy && file->handles.empty() && is_known(file)) use_.unused(file);
}

}  // namespace imapfs::vfs
