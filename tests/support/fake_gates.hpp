#pragma once
// The gates of a FakeServer, by the names of commands: the test decides when each is passed, and waits until a session
// stands before it. The waiting functions return false after ten seconds. Thread-safe.

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "fake_server_state.hpp"

namespace imapfs::testing {

/// When a command is answered.
class FakeGates {
 public:
  static constexpr auto patience = std::chrono::seconds(10);

  /// `command` waits from now on.
  void hold(const std::string& command) {
    const std::lock_guard guard(state_->mutex);
    state_->gates[command] = {true, 0, state_->gates[command].waiting};
  }
  /// Lets `passes` of them through a held gate.
  void step(const std::string& command, std::size_t passes = 1) {
    const std::lock_guard guard(state_->mutex);
    state_->gates[command].permits += passes;
    state_->changed.notify_all();
  }
  void release(const std::string& command) {
    const std::lock_guard guard(state_->mutex);
    state_->gates[command].held = false;
    state_->gates[command].permits = 0;
    state_->changed.notify_all();
  }
  [[nodiscard]] bool wait_until_held(const std::string& command, std::size_t sessions = 1) {
    return wait([&] { return state_->gates[command].waiting >= sessions; });
  }
  [[nodiscard]] bool wait_for_count(const std::string& command, std::size_t commands) {
    return wait([&] { return state_->counts[command] >= commands; });
  }
  [[nodiscard]] bool wait_until_idling(const imap::WireName& wire_name, std::size_t sessions = 1) {
    return wait([&] {
      std::size_t idling = 0;
      state_->for_each_connection([&](const FakeConnection& connection) {
        if (connection.idling && connection.pending.empty() && connection.selected == wire_name) ++idling;
      });
      return idling >= sessions;
    });
  }

 protected:
  explicit FakeGates(std::shared_ptr<FakeServerState> state) : state_(std::move(state)) {}
  ~FakeGates() = default;

 private:
  template <class Predicate>
  bool wait(Predicate reached) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_until(lock, SteadyClock::now() + patience, reached);
  }

  const std::shared_ptr<FakeServerState> state_;
};

}  // namespace imapfs::testing
