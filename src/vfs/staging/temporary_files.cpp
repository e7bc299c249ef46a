#include "vfs/staging/temporary_files.hpp"

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/message_inspection.hpp"

namespace imapfs::vfs {

void TemporaryFiles::await_name(const StagedFilePtr& file) const {
  if (is_local_directory(file->mailbox)) return;
  file->closed_at = SteadyClock::now();
  // Its writer knows that it is a part.
  if (file->failed) file->no_mail = *file->failed;
  if (use_.stages.of(*file) == FileStage::local) return keep_local(*file);
  use_.thread.later(use_.patience, [this, node = file->node] { look_at_name(node, use_.patience); });
}

void TemporaryFiles::keep_local(StagedFile& file) const {
  if (file.row.state == Outbox::State::local) return;
  if (auto kept = use_.outbox.set_state(file.row, Outbox::State::local); !kept) {
    telemetry::warning("{} would be in the outbox after a restart: {}", telemetry::printable(use_.places.path_of(file)),
                       kept.error().what);
  }
}

void TemporaryFiles::hurry(const StagedFilePtr& file) const {
  if (file->no_mail) return tell_of_no_mail(*file);
  const SteadyClock::duration grace = use_.grace;
  const auto age = SteadyClock::now() - file->closed_at;
  use_.thread.later(std::max(SteadyClock::duration(0), grace - age),
                    [this, node = file->node, grace] { look_at_name(node, grace); });
}

/// Of a file that should have had its name for `age` by now.
void TemporaryFiles::look_at_name(NodeId node, SteadyClock::duration age) const {
  const auto file = use_.files.find(node);
  if (!file || file->no_mail || use_.stages.of(*file) != FileStage::temporary) return use_.waiters.check();
  if (SteadyClock::now() - file->closed_at >= age) take_name_as_final(file);
}

void TemporaryFiles::take_name_as_final(const StagedFilePtr& file) const {
  auto ready = use_.loader.open(*file);
  auto inspected = ready ? inspect(*file->content) : fail(std::move(ready).error());
  if (!inspected) return keep_as_no_mail(*file, inspected.error());
  telemetry::info("{} is uploaded under this name: nobody has given it another",
                  telemetry::printable(use_.places.path_of(*file)));
  file->named = true;
  use_.queue.add(file);
}

void TemporaryFiles::keep_as_no_mail(StagedFile& file, const Error& error) const {
  file.no_mail = error;
  telemetry::info("{} stays on this machine, under a temporary name: {}",
                  telemetry::printable(use_.places.path_of(file)), telemetry::printable(error.what));
  file.close_content();
  if (use_.waiters.wait_for(file.node)) tell_of_no_mail(file);
}

/// Once: a program's own file must not make every later sync(1) fail.
void TemporaryFiles::tell_of_no_mail(StagedFile& file) const {
  file.told = true;
  const auto path = use_.places.path_of(file);
  telemetry::warning("{} is not on the server: it has a temporary name, and {}", telemetry::printable(path),
                     telemetry::printable(file.no_mail->what));
  auto error = *file.no_mail;
  use_.waiters.fail_all(file.node, std::move(error).while_doing(path));
}

}  // namespace imapfs::vfs
