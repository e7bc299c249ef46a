#include "vfs/staging/waiting_files.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

namespace imapfs::vfs {

namespace {

/// Names of files that wait in .imapfs/status; their number is told whatever it is.
constexpr std::size_t most_names = 32;

}  // namespace

void WaitingFiles::drain(const Reply<void>& reply) const {
  std::unordered_set<NodeId> nodes;
  std::vector<StagedFilePtr> queued;
  std::vector<StagedFilePtr> unnamed;
  for (const auto& [node, file] : use_.files.all()) {
    // Waiting would be without end.
    if (const auto unfinished = use_.unfinished.left_unfinished(*file)) return reply(fail(*unfinished));
    if (!use_.stages.is_waited_for(*file)) continue;
    nodes.insert(node);
    const auto stage = use_.stages.of(*file);
    if (stage == FileStage::queued) queued.push_back(file);
    if (stage == FileStage::temporary) unnamed.push_back(file);
  }
  if (nodes.empty()) return reply({});
  use_.waiters.add(reply, std::move(nodes));
  for (const auto& file : queued) use_.queue.attempt(file);
  for (const auto& file : unnamed) use_.temporary.hurry(file);
}

nlohmann::json WaitingFiles::describe() const {
  std::map<FileStage, std::size_t> counts;
  nlohmann::json waiting = nlohmann::json::array();
  for (const auto& [node, file] : use_.files.all()) {
    const auto stage = use_.stages.of(*file);
    if (stage == FileStage::nothing) continue;
    ++counts[stage];
    if (stage != FileStage::local && waiting.size() < most_names) waiting.push_back(use_.places.path_of(*file));
  }
  return nlohmann::json{{"open", counts[FileStage::open]},     {"uploading", counts[FileStage::uploading]},
                        {"queued", counts[FileStage::queued]}, {"temporary", counts[FileStage::temporary]},
                        {"local", counts[FileStage::local]},   {"outbox", counts[FileStage::outbox]},
                        {"waiting", std::move(waiting)}};
}

}  // namespace imapfs::vfs
