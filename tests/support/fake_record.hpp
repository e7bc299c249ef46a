#pragma once
// What a FakeServer was asked: commands by name, bytes sent, bodies fetched. Thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_server_state.hpp"

namespace imapfs::testing {

/// What sessions have asked for.
class FakeRecord {
 public:
  [[nodiscard]] std::size_t count(const std::string& command) const {
    const std::lock_guard guard(state_->mutex);
    const auto found = state_->counts.find(command);
    return found == state_->counts.end() ? 0 : found->second;
  }
  [[nodiscard]] std::uint64_t header_bytes() const {
    const std::lock_guard guard(state_->mutex);
    return state_->header_bytes;
  }
  [[nodiscard]] std::uint64_t body_bytes() const {
    const std::lock_guard guard(state_->mutex);
    return state_->body_bytes;
  }
  [[nodiscard]] std::vector<UidSet> body_sets() const {
    const std::lock_guard guard(state_->mutex);
    return state_->body_sets;
  }
  [[nodiscard]] std::vector<FetchedBody> bodies_fetched() const {
    const std::lock_guard guard(state_->mutex);
    return state_->bodies_fetched;
  }
  [[nodiscard]] std::size_t live_connections() const {
    const std::lock_guard guard(state_->mutex);
    std::size_t live = 0;
    state_->for_each_connection([&](const FakeConnection&) { ++live; });
    return live;
  }
  /// What sessions sent to change something, in that order: "UID MOVE 1:3 Archive", "APPEND INBOX (\\Seen) 1234".
  [[nodiscard]] std::vector<std::string> commands() const {
    const std::lock_guard guard(state_->mutex);
    return state_->commands;
  }
  void reset_counts() {
    const std::lock_guard guard(state_->mutex);
    state_->counts.clear();
    state_->commands.clear();
    state_->bodies_fetched.clear();
    state_->header_bytes = state_->body_bytes = 0;
  }

 protected:
  explicit FakeRecord(std::shared_ptr<FakeServerState> state) : state_(std::move(state)) {}
  ~FakeRecord() = default;

 private:
  const std::shared_ptr<FakeServerState> state_;
};

}  // namespace imapfs::testing
