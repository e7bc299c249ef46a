#include "vfs/staging/refused_files.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

void RefusedFiles::report(StagedFile& file, const UploadDestination& destination, const Error& error) const {
  file.reported = true;
  const auto tree = use_.mailboxes.tree();
  const auto* mailbox = tree->find(destination.mailbox);
  const auto path = fmt::format("{}/{}", mailbox ? mailbox->path : file.row.mailbox, destination.name);
  nlohmann::json event = {{"event", "upload-refused"},
                          {"path", path},
                          {"name", destination.name},
                          {"reason", telemetry::printable(error.what)}};
  if (file.has_row() && !use_.stages.has_temporary_name(file)) {
    keep(file, path, error);
    event["outbox"] = Outbox::name_of(file.row);
  }
  telemetry::warning("{} was not uploaded: {}", telemetry::printable(path), telemetry::printable(error.what, 1000));
  use_.events.append(event);
}

void RefusedFiles::keep(StagedFile& file, const std::string& path, const Error& error) const {
  if (auto kept = use_.outbox.set_state(file.row, Outbox::State::refused, error.what); !kept) {
    telemetry::warning("the journal does not know that {} was refused: {}", telemetry::printable(path),
                       kept.error().what);
  }
  list(file, error.what);
}

void RefusedFiles::report_partial(StagedFile& file) const {
  if (file.nameless || file.reported || !file.dirty || file.size() == 0) return;
  report(file, use_.destinations.of(file), *file.failed);
  use_.waiters.fail_all(file.node, *file.failed);
}

void RefusedFiles::list(const StagedFile& file, const std::string& reason) const {
  const auto status = file.status();
  use_.outbox.list({file.row.id, Outbox::name_of(file.row), file.mailbox, status.size, status.time.seconds,
                    status.time.nanoseconds, reason});
}

void RefusedFiles::move_to_outbox(const StagedFilePtr& file) const {
  file->close_content();
  file->source = {};
  file->body.reset();
  // Whoever sends it from there wants it as it is.
  file->failed.reset();
  const auto node = staged_node(static_cast<std::uint32_t>(file->row.id.value));
  if (file->node == node) {
    if (use_.entries.remove(node)) use_.kernel.name_removed(*file);
    return use_.shown.show(*file);
  }
  // A new version of a message, which stays as it was.
  const auto message = file->node;
  use_.shown.mark_stale_pages(message);
  file->original.reset();
  use_.files.move(file, node);
  use_.kernel.file_changed(message, true);
}

}  // namespace imapfs::vfs
