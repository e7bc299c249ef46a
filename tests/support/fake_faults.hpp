#pragma once
// The faults of a FakeServer: connections that are refused, lost or silent, commands that fail, and answers that lie.
// Thread-safe.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "fake_server_state.hpp"

namespace imapfs::testing {

/// What goes wrong.
class FakeFaults {
 public:
  void refuse_connections(Error error) {
    const std::lock_guard guard(state_->mutex);
    state_->refusal = std::move(error);
  }
  void refuse_connections() {
    refuse_connections(Error{EHOSTUNREACH, Scope::session, Retry::later, "connect: no route to host"});
  }
  void accept_connections() {
    const std::lock_guard guard(state_->mutex);
    state_->refusal.reset();
  }
  /// Every session's current and next call fails with scope session, retry now.
  void drop_all_sessions() {
    const std::lock_guard guard(state_->mutex);
    state_->for_each_connection([](FakeConnection& connection) { connection.lost = true; });
    state_->changed.notify_all();
  }
  /// Every session open now is never answered again, as when a network has forgotten its connections. New ones work.
  void silence_all_sessions() {
    const std::lock_guard guard(state_->mutex);
    state_->for_each_connection([](FakeConnection& connection) { connection.mute = true; });
    state_->changed.notify_all();
  }
  /// The next `command` fails so; several are queued. Scope session also loses the connection.
  void fail_next(const std::string& command, Error error = FakeServerState::connection_lost()) {
    const std::lock_guard guard(state_->mutex);
    state_->failures[command].push_back(std::move(error));
  }
  /// Every `command` fails so, until accept_command(). The connection stays.
  void refuse_command(const std::string& command, Error error) {
    const std::lock_guard guard(state_->mutex);
    state_->refused_commands.insert_or_assign(command, std::move(error));
  }
  void accept_command(const std::string& command) {
    const std::lock_guard guard(state_->mutex);
    state_->refused_commands.erase(command);
  }
  /// The connection is lost when the next `command` has been sent and nothing of it was carried out: to the session the
  /// outcome is unknown.
  void lose_before(const std::string& command) { lose_after(command, 0); }
  /// The next `command` is carried out, for `messages` of those it names, and the connection is lost before the answer.
  void lose_after(const std::string& command, std::size_t messages = FakeServerState::whole_command) {
    const std::lock_guard guard(state_->mutex);
    state_->losses[command].push_back(messages);
  }
  /// BODY[] announces `length` octets, and something else follows than may.
  void lie_about_literal(Uid uid, std::uint64_t length) {
    const std::lock_guard guard(state_->mutex);
    state_->lying_literals[uid.value] = length;
  }

 protected:
  explicit FakeFaults(std::shared_ptr<FakeServerState> state) : state_(std::move(state)) {}
  ~FakeFaults() = default;

 private:
  const std::shared_ptr<FakeServerState> state_;
};

}  // namespace imapfs::testing
