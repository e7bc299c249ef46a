#include "vfs/staging/upload_queue.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

void UploadQueue::add(const StagedFilePtr& file) const {
  file->attempts = 0;
  if (auto queued = use_.outbox.set_state(file->row, Outbox::State::queued); !queued) {
    telemetry::warning("{} would not be uploaded after a restart: {}", telemetry::printable(use_.places.path_of(*file)),
                       queued.error().what);
    file->row.state = Outbox::State::queued;
  }
  attempt(file);
}

void UploadQueue::attempt(const StagedFilePtr& file) const {
  use_.files.when_idle(file, [this, file] { attempt_idle(file); });
}

void UploadQueue::attempt_idle(const StagedFilePtr& file) const {
  use_.originals.judge_name(*file);
  if (file->nameless && file->handles.empty()) return use_.files.drop(file);
  if (!file->dirty || file->failed || file->nameless || file->row.state != Outbox::State::queued) return;
  use_.originals.follow(file, [this, file](Result<void> found) {
    const auto destination = use_.destinations.of(*file);
    const auto done = [this, file, destination](const Result<sync::Arrival>& arrived) {
      ended(file, destination, arrived);
    };
    if (!found) return done(fail(std::move(found).error()));
    use_.uploader.upload(file, destination, done);
  });
}

void UploadQueue::ended(const StagedFilePtr& file, const UploadDestination& destination,
                        const Result<sync::Arrival>& arrived) const {
  if (arrived) {
    const auto path = use_.places.path_of(*file);
    telemetry::info("{} was uploaded after it was closed", telemetry::printable(path));
    return use_.events.append({{"event", "uploaded"}, {"path", path}, {"name", file->name}});
  }
  if (Outbox::is_tried_again_after(arrived.error())) return try_again_later(file, arrived.error());
  file->replaced.reset();
  use_.refused.report(*file, destination, arrived.error());
  use_.waiters.fail_all(file->node, arrived.error());
}

void UploadQueue::try_again_later(const StagedFilePtr& file, const Error& error) const {
  if (file->attempts++ == 0) {
    telemetry::warning("{} waits for its upload: {}", telemetry::printable(use_.places.path_of(*file)),
                       telemetry::printable(error.what));
  }
  if (file->handles.empty()) file->close_content();
  use_.waiters.fail_all(file->node, error);
  use_.thread.later(Outbox::pause_after(file->attempts), [this, node = file->node] {
    if (const auto waiting = use_.files.find(node)) attempt(waiting);
  });
}

}  // namespace imapfs::vfs
