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

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_session.hpp"

namespace imapfs::testing {

class FakeServer {
 public:
  static constexpr auto patience = std::chrono::seconds(10);

  /// A modern server with an empty INBOX.
  FakeServer() : state_(std::make_shared<FakeServerState>()) {
    state_->capabilities = {"IMAP4REV1", "ENABLE",      "IDLE",        "NAMESPACE", "CONDSTORE", "QRESYNC", "NOTIFY",
                            "ESEARCH",   "LIST-STATUS", "SPECIAL-USE", "UIDPLUS",   "MOVE",      "QUOTA",   "ID"};
    create_mailbox("INBOX");
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] imap::SessionFactory factory() {
    return [state = state_](const CallContext& context) { return open(state, context); };
  }

  // -- the server's nature --
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
  /// RFC 4314; for servers with the capability ACL.
  void set_rights(const imap::WireName& wire_name, std::string rights) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) { mailbox.rights = std::move(rights); });
  }
  void set_permanent_flags(const imap::WireName& wire_name, const FlagSet& flags, bool may_create_keywords) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) {
      mailbox.permanent_flags = flags;
      mailbox.may_create_keywords = may_create_keywords;
    });
  }
  /// For everyone who selects it from now on.
  void set_read_only(const imap::WireName& wire_name, bool read_only) {
    edit_mailbox(wire_name, [&](FakeMailbox& mailbox) { mailbox.read_only = read_only; });
  }
  /// Bodies are sent in pieces of this size.
  void set_chunk_bytes(std::size_t bytes) {
    const std::lock_guard guard(state_->mutex);
    state_->chunk_bytes = bytes;
  }

  // -- what other clients do --
  /// `name` is the UTF-8 form; empty: as on the wire.
  void create_mailbox(const imap::WireName& wire_name, std::string name = {}) {
    const std::lock_guard guard(state_->mutex);
    FakeMailbox mailbox;
    mailbox.wire_name = wire_name;
    mailbox.name = name.empty() ? wire_name : std::move(name);
    mailbox.uid_validity = UidValidity{++state_->last_uid_validity};
    state_->mailboxes[wire_name] = std::move(mailbox);
    state_->announce_list();
  }
  /// Connections that have it selected are lost, as Dovecot does it.
  void delete_mailbox(const imap::WireName& wire_name) {
    const std::lock_guard guard(state_->mutex);
    state_->mailboxes.erase(wire_name);
    state_->lose_selected(wire_name);
    state_->announce_list();
  }
  /// For what has no function of its own (special use, \Noselect, UIDs to come …); nobody is told.
  template <class Function>
  void edit_mailbox(const imap::WireName& wire_name, Function&& edit) {
    const std::lock_guard guard(state_->mutex);
    edit(state_->mailboxes.at(wire_name));
  }
  Uid deliver(const imap::WireName& wire_name, const std::string& body, UnixTime date = 1'700'000'000,
              FlagSet flags = {}) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    const Uid uid = mailbox.add(
        {{}, date, body.size(), std::make_shared<const std::string>(body), std::move(flags), {}});
    state_->announce_count(mailbox);
    return uid;
  }
  void expunge(const imap::WireName& wire_name, Uid uid) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    if (mailbox.remove(uid)) state_->announce(mailbox, {untagged::Vanished{UidSet::single(uid)}});
  }
  void set_flags(const imap::WireName& wire_name, Uid uid, const FlagSet& flags) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    auto& message = mailbox.messages.at(uid);
    message.flags = flags;
    message.modseq = mailbox.next_modseq();
    state_->announce(mailbox, {untagged::Fetch{uid, flags, message.modseq}});
  }
  [[nodiscard]] FlagSet flags(const imap::WireName& wire_name, Uid uid) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.at(wire_name).messages.at(uid).flags;
  }
  /// Messages stay and get new UIDs from 1; connections that have it selected are lost.
  void change_uid_validity(const imap::WireName& wire_name, UidValidity validity) {
    const std::lock_guard guard(state_->mutex);
    auto& mailbox = state_->mailboxes.at(wire_name);
    mailbox.uid_validity = validity;
    mailbox.uid_next = Uid{1};
    mailbox.vanished.clear();
    for (auto& [old_uid, message] : std::exchange(mailbox.messages, {})) {
      message.uid = std::exchange(mailbox.uid_next, Uid{mailbox.uid_next.value + 1});
      mailbox.messages.emplace(message.uid, std::move(message));
    }
    state_->lose_selected(wire_name);
  }
  /// RFC822.SIZE becomes the body's length plus `delta`.
  void lie_about_size(const imap::WireName& wire_name, Uid uid, std::int64_t delta) {
    const std::lock_guard guard(state_->mutex);
    auto& message = state_->mailboxes.at(wire_name).messages.at(uid);
    message.reported_size = static_cast<std::uint64_t>(static_cast<std::int64_t>(message.body->size()) + delta);
  }

  /// BODY[] announces `length` octets, and something else follows than may.
  void lie_about_literal(Uid uid, std::uint64_t length) {
    const std::lock_guard guard(state_->mutex);
    state_->lying_literals[uid.value] = length;
  }

  // -- connections and faults --
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

  // -- waiting for what sessions do --
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

  // -- what was asked --
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
  void mix_body_sets() {
    const std::lock_guard guard(state_->mutex);
    state_->mixes_body_sets = true;
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
  [[nodiscard]] bool has_mailbox(const imap::WireName& wire_name) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.contains(wire_name);
  }
  /// A copy of it as it is now.
  [[nodiscard]] FakeMailbox mailbox(const imap::WireName& wire_name) const {
    const std::lock_guard guard(state_->mutex);
    return state_->mailboxes.at(wire_name);
  }
  [[nodiscard]] std::vector<Uid> uids(const imap::WireName& wire_name) const {
    std::vector<Uid> uids;
    for (const auto& [uid, message] : mailbox(wire_name).messages) uids.push_back(uid);
    return uids;
  }
  void reset_counts() {
    const std::lock_guard guard(state_->mutex);
    state_->counts.clear();
    state_->commands.clear();
    state_->bodies_fetched.clear();
    state_->header_bytes = state_->body_bytes = 0;
  }

 private:
  template <class Predicate>
  bool wait(Predicate reached) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_until(lock, SteadyClock::now() + patience, reached);
  }

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
