// Uploads that nobody waits for: tried until the server takes them or refuses them for good. And the outbox for those.

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"
#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::chrono::seconds longest_delay{300};

std::chrono::seconds delay_after(int attempts) {
  return std::min(longest_delay, std::chrono::seconds(std::int64_t{1} << std::min(attempts, 10)));
}

/// No connection, a busy server, a full disk of ours: not the message's fault.
bool may_pass(const Error& error) { return error.retry != Retry::never || error.scope == Scope::session; }

}  // namespace

void Staging::Implementation::queue(const FilePtr& file) {
  file->attempts = 0;
  if (auto queued = set_state(*file, store::StagedFile::State::queued); !queued) {
    telemetry::warning("{} would not be uploaded after a restart: {}", telemetry::printable(path_of(*file)),
                       queued.error().what);
    file->row.state = store::StagedFile::State::queued;
  }
  try_queued(file);
}

void Staging::Implementation::try_queued(const FilePtr& file) {
  when_idle(file, [this, file] {
    judge_name(*file);
    if (file->nameless && file->handles.empty()) return drop(file);
    if (!file->dirty || file->failed || file->nameless || file->row.state != store::StagedFile::State::queued) return;
    follow_message(file, [this, file](Result<void> found) {
      const auto destination = destination_of(*file);
      const auto ended = [this, file, destination](const Result<sync::Arrival>& arrived) {
        queued_ended(file, destination, arrived);
      };
      if (!found) return ended(fail(std::move(found).error()));
      upload(file, destination, ended);
    });
  });
}

void Staging::Implementation::queued_ended(const FilePtr& file, const Destination& destination,
                                           const Result<sync::Arrival>& arrived) {
  if (arrived) {
    telemetry::info("{} was uploaded after it was closed", telemetry::printable(path_of(*file)));
    around_.publisher.events().append({{"event", "uploaded"}, {"path", path_of(*file)}, {"name", file->name}});
    return;
  }
  if (may_pass(arrived.error())) return try_again_later(file, arrived.error());
  file->replaced.reset();
  report_failure(file, destination, arrived.error());
  fail_settling(file->node, arrived.error());
}

void Staging::Implementation::try_again_later(const FilePtr& file, const Error& error) {
  if (file->attempts++ == 0) {
    telemetry::warning("{} waits for its upload: {}", telemetry::printable(path_of(*file)),
                       telemetry::printable(error.what));
  }
  // A descriptor per file that waits would be too many.
  if (file->handles.empty() && file->content) {
    file->source_size = file->content->size();
    file->source = {};
    file->content.reset();
  }
  fail_settling(file->node, error);
  later(delay_after(file->attempts), [this, node = file->node] {
    if (const auto waiting = find(node)) try_queued(waiting);
  });
}

void Staging::Implementation::later(SteadyClock::duration delay, Job job) {
  const std::lock_guard guard(timer_mutex_);
  if (stopped_) return;
  if (!timer_) timer_ = std::make_unique<Scheduler>("staging-timer");
  timer_->after(delay, [this, job = std::move(job)] { post(job); });
}

/// Answers those who wait for uploads that have all ended.
void Staging::Implementation::check_settled() {
  std::vector<Reply<void>> settled;
  for (auto& [reply, nodes] : settling_) {
    std::erase_if(nodes, [this](NodeId node) {
      const auto file = find(node);
      return !file || !is_waited_for(*file);
    });
    if (nodes.empty()) settled.push_back(reply);
  }
  std::erase_if(settling_, [](const auto& waiting) { return waiting.second.empty(); });
  for (const auto& reply : settled) reply({});
}

void Staging::Implementation::fail_settling(NodeId node, const Error& error) {
  std::vector<Reply<void>> failed;
  for (const auto& [reply, nodes] : settling_) {
    if (nodes.contains(node)) failed.push_back(reply);
  }
  std::erase_if(settling_, [&](const auto& waiting) { return waiting.second.contains(node); });
  for (const auto& reply : failed) reply(fail(error));
}

/// A refused file that is closed: its name in the mailbox goes, for the message is not there.
void Staging::Implementation::to_outbox(const FilePtr& file) {
  const auto node = staged_node(static_cast<std::uint32_t>(file->row.id.value));
  if (file->content) file->source_size = file->content->size();
  file->source = {};
  file->body.reset();
  file->content.reset();
  // Whoever sends it from there wants it as it is.
  file->failed.reset();
  if (file->node == node) {
    if (around_.entries.remove(node)) name_removed(*file);
    return show(*file);
  }
  // A new version of a message, which stays as it was.
  const auto message = file->node;
  files_.erase(message);
  shown_.with_lock([&](Shown& shown) {
    shown.files.erase(message);
    shown.stale_pages.insert(message);
  });
  file->node = node;
  file->original.reset();
  files_[node] = file;
  show(*file);
  around_.publisher.kernel().file_changed(message, true);
}

}  // namespace imapfs::vfs
