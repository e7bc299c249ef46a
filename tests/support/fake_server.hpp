#pragma once
// An IMAP server in memory, at the boundary of imap::Session: for tests of everything above it.
//
// The test changes mailboxes as another client would, decides when data is ready (hold, step, release), breaks
// connections, and counts what was asked. Sessions come from factory() and may outlive the FakeServer. Thread-safe. The
// waiting functions return false after ten seconds: EXPECT_TRUE them.
//
// Commands by name, for hold(), fail_next() and count(): LOGIN (connecting), LOGOUT, NAMESPACE, LIST, STATUS, SELECT,
// "FETCH headers" (a FETCH with header fields), "FETCH flags" (one without), "FETCH fields" (fetch_header_fields),
// "FETCH body", "FETCH head and tail", SEARCH, NOOP, QUOTA, IDLE, NOTIFY, APPEND, COPY, MOVE, STORE, EXPUNGE, CREATE,
// DELETE, RENAME, SUBSCRIBE, MYRIGHTS. Gates only: "APPEND answer" and so on for each of the changes (between its
// effect and its answer), "FETCH row" (before each row), "FETCH body data" (before each chunk of a body), "FETCH tail"
// (between head and tail, while a server looks for the end).

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_faults.hpp"
#include "fake_gates.hpp"
#include "fake_mail.hpp"
#include "fake_record.hpp"
#include "fake_session.hpp"

namespace imapfs::testing {

/// The server; its mailboxes, gates, faults and record have a class each, all over the same state.
class FakeServer : public FakeMail, public FakeGates, public FakeFaults, public FakeRecord {
 public:
  /// A modern server with an empty INBOX.
  FakeServer() : FakeServer(std::make_shared<FakeServerState>()) {
    state_->capabilities = {"IMAP4REV1", "ENABLE",      "IDLE",        "NAMESPACE", "CONDSTORE", "QRESYNC", "NOTIFY",
                            "ESEARCH",   "LIST-STATUS", "SPECIAL-USE", "UIDPLUS",   "MOVE",      "QUOTA",   "ID"};
    create_mailbox("INBOX");
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] imap::SessionFactory factory() {
    return [state = state_](const CallContext& context) { return open(state, context); };
  }

  /// For sessions opened from now on.
  void set_capability(const std::string& word, bool offered) {
    const std::lock_guard guard(state_->mutex);
    if (offered) state_->capabilities.insert(word);
    else state_->capabilities.erase(word);
  }
  void set_quirks(imap::Quirks quirks) {
    const std::lock_guard guard(state_->mutex);
    state_->quirks = std::move(quirks);
  }
  void set_namespaces(std::vector<imap::Namespace> namespaces) {
    const std::lock_guard guard(state_->mutex);
    state_->namespaces = std::move(namespaces);
  }
  void set_quota(std::optional<imap::Quota> quota) {
    const std::lock_guard guard(state_->mutex);
    state_->quota = quota;
  }
  /// Bodies are sent in pieces of this size.
  void set_chunk_bytes(std::size_t bytes) {
    const std::lock_guard guard(state_->mutex);
    state_->chunk_bytes = bytes;
  }
  void mix_body_sets() {
    const std::lock_guard guard(state_->mutex);
    state_->mixes_body_sets = true;
  }

 private:
  explicit FakeServer(const std::shared_ptr<FakeServerState>& state)
      : FakeMail(state), FakeGates(state), FakeFaults(state), FakeRecord(state), state_(state) {}

  static Result<std::unique_ptr<imap::Session>> open(const std::shared_ptr<FakeServerState>& state,
                                                     const CallContext& context) {
    std::unique_lock lock(state->mutex);
    IMAPFS_TRY(context.check());
    const auto number = ++state->counts["LOGIN"];
    auto& gate = state->gates["LOGIN"];
    const auto passable = [&] { return !gate.held || gate.permits > 0; };
    if (!passable()) {
      ++gate.waiting;
      state->changed.notify_all();
      if (context.deadline == Deadline::max()) state->changed.wait(lock, context.stop, passable);
      else state->changed.wait_until(lock, context.stop, context.deadline, passable);
      --gate.waiting;
    }
    state->changed.notify_all();
    if (!passable() && context.cancelled()) return fail(EINTR, Scope::session, Retry::never, "connect: cancelled");
    if (!passable()) return fail(ETIMEDOUT, Scope::session, Retry::later, "connect: deadline passed");
    if (gate.held) --gate.permits;
    if (auto& failures = state->failures["LOGIN"]; !failures.empty()) {
      Error error = std::move(failures.front());
      failures.pop_front();
      return fail(std::move(error));
    }
    if (state->refusal) return fail(Error(*state->refusal));
    auto connection = std::make_shared<FakeConnection>();
    connection->traits.greeting = "FakeServer ready";
    connection->traits.capabilities = imap::Capabilities(state->capabilities);
    connection->traits.quirks = state->quirks;
    state->connections.push_back(connection);
    return std::make_unique<FakeSession>(state, std::move(connection), "fake connection " + std::to_string(number));
  }

  std::shared_ptr<FakeServerState> state_;
};

}  // namespace imapfs::testing
