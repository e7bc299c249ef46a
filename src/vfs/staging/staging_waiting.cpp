// What waits: files whose names are not final yet, whoever waits for everything, and what is told of it.

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/backup_names.hpp"
#include "vfs/staging/staging_implementation.hpp"
#include "vfs/staging/staging_inspection.hpp"

namespace imapfs::vfs {

namespace {

/// Names of files that wait in .imapfs/status; their number is told whatever it is.
constexpr std::size_t most_names = 32;

}  // namespace

bool Staging::Implementation::is_there(MailboxId mailbox, const std::string& name) const {
  if (around_.entries.find(mailbox, name) || displaced_.find(mailbox, name)) return true;
  const auto table = around_.account.table(mailbox);
  return table && table->find_by_name(name);
}

bool Staging::Implementation::is_backup(const File& file) const {
  const auto originals = originals_of_backup(file.name);
  return std::any_of(originals.begin(), originals.end(),
                     [&](const std::string& original) { return is_there(file.mailbox, original); });
}

bool Staging::Implementation::has_temporary_name(const File& file) const {
  if (is_local_directory(file.mailbox)) return true;
  // A message is what it is, whatever its name: what is written to it is its next version.
  if (file.original || file.named) return false;
  // People write '#1 offer#' too: only beside the file itself is it what Emacs has not saved yet.
  return is_temporary_name(file.name) || (file.name.starts_with('#') && is_backup(file));
}

Staging::Implementation::Stage Staging::Implementation::stage_of(const File& file) const {
  if (file.has_row() && shown_.with_lock([&](const Shown& shown) { return shown.outbox.contains(file.row.id); })) {
    return Stage::outbox;
  }
  if (file.busy && !file.copying) return Stage::uploading;
  if (!file.dirty || file.nameless || file.size() == 0) return Stage::nothing;
  if (file.row.state == store::StagedFile::State::queued) return Stage::queued;
  if (!file.handles.empty()) return Stage::open;
  if (file.row.state == store::StagedFile::State::local) return Stage::local;
  if (is_local_directory(file.mailbox)) return Stage::local;
  if (!has_temporary_name(file)) return Stage::open;
  return is_backup(file) ? Stage::local : Stage::temporary;
}

bool Staging::Implementation::is_waited_for(const File& file) const {
  const auto stage = stage_of(file);
  if (stage == Stage::temporary) return !file.no_mail || !file.told;
  return stage == Stage::uploading || stage == Stage::queued;
}

/// A closed file waits for the name that its tool will give it, unless it has one for good.
void Staging::Implementation::await_name(const FilePtr& file) {
  if (is_local_directory(file->mailbox)) return;
  file->closed_at = SteadyClock::now();
  // Its writer knows that it is a part.
  if (file->failed) file->no_mail = *file->failed;
  if (stage_of(*file) == Stage::local) {
    using State = store::StagedFile::State;
    if (file->row.state == State::local) return;
    if (auto kept = set_state(*file, State::local); !kept) {
      telemetry::warning("{} would be in the outbox after a restart: {}", telemetry::printable(path_of(*file)),
                         kept.error().what);
    }
    return;
  }
  const auto patience = around_.name_patience;
  later(patience, [this, node = file->node, patience] { look_at_name(node, patience); });
}

/// Of a file that should have had its name for `age` by now.
void Staging::Implementation::look_at_name(NodeId node, SteadyClock::duration age) {
  const auto file = find(node);
  if (!file || file->no_mail || stage_of(*file) != Stage::temporary) return check_settled();
  if (SteadyClock::now() - file->closed_at >= age) take_name_as_final(file);
}

void Staging::Implementation::take_name_as_final(const FilePtr& file) {
  auto ready = open_content(*file);
  auto inspected = ready ? inspect(*file->content) : fail(std::move(ready).error());
  if (!inspected) return not_uploaded(file, inspected.error());
  telemetry::info("{} is uploaded under this name: nobody has given it another", telemetry::printable(path_of(*file)));
  file->named = true;
  queue(file);
}

void Staging::Implementation::not_uploaded(const FilePtr& file, const Error& error) {
  file->no_mail = error;
  telemetry::info("{} stays on this machine, under a temporary name: {}", telemetry::printable(path_of(*file)),
                  telemetry::printable(error.what));
  if (file->content) file->source_size = file->content->size();
  file->content.reset();
  const bool asked = std::any_of(settling_.begin(), settling_.end(),
                                 [&](const auto& waiting) { return waiting.second.contains(file->node); });
  if (asked) tell_of_no_mail(file);
}

/// Once: a program's own file must not make every later sync(1) fail.
void Staging::Implementation::tell_of_no_mail(const FilePtr& file) {
  file->told = true;
  const auto path = path_of(*file);
  telemetry::warning("{} is not on the server: it has a temporary name, and {}", telemetry::printable(path),
                     telemetry::printable(file->no_mail->what));
  auto error = *file->no_mail;
  fail_settling(file->node, std::move(error).while_doing(path));
}

void Staging::Implementation::drain(const Reply<void>& reply) {
  std::unordered_set<NodeId> nodes;
  std::vector<FilePtr> queued;
  std::vector<FilePtr> unnamed;
  for (const auto& [node, file] : files_) {
    // Waiting would be without end.
    if (const auto unfinished = left_unfinished(*file)) return reply(fail(*unfinished));
    if (!is_waited_for(*file)) continue;
    nodes.insert(node);
    const auto stage = stage_of(*file);
    if (stage == Stage::queued) queued.push_back(file);
    if (stage == Stage::temporary) unnamed.push_back(file);
  }
  if (nodes.empty()) return reply({});
  settling_.emplace_back(reply, std::move(nodes));
  for (const auto& file : queued) try_queued(file);
  const auto grace = SteadyClock::duration(around_.name_grace);
  for (const auto& file : unnamed) {
    if (file->no_mail) {
      tell_of_no_mail(file);
      continue;
    }
    const auto age = SteadyClock::now() - file->closed_at;
    later(std::max(SteadyClock::duration(0), grace - age),
          [this, node = file->node, grace] { look_at_name(node, grace); });
  }
}

void Staging::Implementation::describe(const Completion<nlohmann::json>& done) const {
  std::map<Stage, std::size_t> counts;
  nlohmann::json waiting = nlohmann::json::array();
  for (const auto& [node, file] : files_) {
    const auto stage = stage_of(*file);
    if (stage == Stage::nothing) continue;
    ++counts[stage];
    if (stage != Stage::local && waiting.size() < most_names) waiting.push_back(path_of(*file));
  }
  done(nlohmann::json{{"open", counts[Stage::open]},
                      {"uploading", counts[Stage::uploading]},
                      {"queued", counts[Stage::queued]},
                      {"temporary", counts[Stage::temporary]},
                      {"local", counts[Stage::local]},
                      {"outbox", counts[Stage::outbox]},
                      {"waiting", std::move(waiting)}});
}

}  // namespace imapfs::vfs
