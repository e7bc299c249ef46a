#include "vfs/staging/staging_outbox.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

void StagingOutbox::recover() {
  use_.thread.post([this] { use_.recovery.recover(); });
}

std::vector<OutboxEntry> StagingOutbox::files() const {
  std::vector<OutboxEntry> entries;
  for (auto& refused : use_.outbox.refused()) {
    entries.push_back({staged_node(static_cast<std::uint32_t>(refused.id.value)),
                       std::move(refused.name),
                       {refused.size, {refused.changed_at, refused.nanoseconds}}});
  }
  return entries;
}

void StagingOutbox::drain(Reply<void> reply) {
  use_.thread.post([this, reply = std::move(reply)] { use_.waiting.drain(reply); });
}

void StagingOutbox::describe(Completion<nlohmann::json> done) {
  use_.thread.post([this, done = std::move(done)] { done(use_.waiting.describe()); });
}

}  // namespace imapfs::vfs
