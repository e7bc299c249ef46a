#pragma once
// imap::Session on FakeServerState. Behaves as a server that answers from memory: every command may be held, failed or counted by name, and
// untagged data is delivered at the end of each command. A command that ends by cancellation or deadline loses the connection, as
// it does on a real one; only IDLE ends cleanly.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_server_state.hpp"

namespace imapfs::testing {

class FakeSession : public imap::Session {
 public:
  using Lock = std::unique_lock<std::mutex>;

  FakeSession(std::shared_ptr<FakeServerState> state, std::shared_ptr<FakeConnection> connection, std::string name)
      : state_(std::move(state)), connection_(std::move(connection)), name_(std::move(name)) {}

  ~FakeSession() override {
    const std::lock_guard guard(state_->mutex);
    connection_->lost = true;
    state_->changed.notify_all();
  }

  [[nodiscard]] const imap::ServerTraits& traits() const override { return connection_->traits; }
  [[nodiscard]] std::string description() const override { return name_; }
  void set_listener(imap::UntaggedListener* listener) override { listener_ = listener; }
  [[nodiscard]] const imap::WireName& selected() const override { return selected_; }

  Result<std::vector<imap::Namespace>> namespaces(const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("NAMESPACE", lock, context));
    auto answer = state_->namespaces;
    deliver_pending(lock);
    return answer;
  }

  Result<std::vector<imap::ListedMailbox>> list(const imap::WireName& wire_reference,
                                                const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("LIST", lock, context));
    std::vector<imap::ListedMailbox> rows;
    for (const auto& [wire_name, mailbox] : state_->mailboxes)
      if (wire_name.starts_with(wire_reference)) rows.push_back(mailbox.listed(has("LIST-STATUS"), has("CONDSTORE")));
    deliver_pending(lock);
    return rows;
  }

  Result<MailboxStatus> status(const imap::WireName& mailbox, const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("STATUS", lock, context));
    const auto found = state_->mailboxes.find(mailbox);
    if (found == state_->mailboxes.end()) return no_mailbox(mailbox);
    auto answer = found->second.status(has("CONDSTORE"));
    deliver_pending(lock);
    return answer;
  }

  [[nodiscard]] const imap::SelectedMailbox& selection() const override { return selection_; }
  Result<imap::AppendedMessage> append(const imap::AppendRequest&, imap::AppendSource&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<imap::CopiedMessages> copy(const UidSet&, const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<imap::CopiedMessages> move(const UidSet&, const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> store_flags(const UidSet&, const FlagChange&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> expunge(const UidSet&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> create_mailbox(const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> delete_mailbox(const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> rename_mailbox(const imap::WireName&, const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<void> subscribe(const imap::WireName&, bool, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<std::optional<std::string>> my_rights(const imap::WireName&, const CallContext&) override { return fail(EOPNOTSUPP, "not faked"); }
  Result<imap::SelectedMailbox> select(const SelectRequest& request, const CallContext& context) override;
  Result<void> fetch(const FetchRequest& request, const std::function<void(const imap::FetchRow&)>& rows,
                     const CallContext& context) override;
  Result<void> fetch_body(Uid uid, std::optional<imap::OctetRange> range, imap::BodySink& sink,
                          const CallContext& context) override;
  Result<void> fetch_head_and_tail(Uid uid, std::uint64_t head_length, imap::OctetRange tail, imap::BodySink& head_sink,
                                   imap::BodySink& tail_sink, const CallContext& context) override;
  Result<std::string> fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                          const CallContext& context) override;

  Result<UidSet> search(const std::string& criteria, const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("SEARCH", lock, context));
    const auto* mailbox = IMAPFS_TRY(selected_mailbox());
    auto found = mailbox->search(criteria);
    deliver_pending(lock);
    if (!found) return fail(EINVAL, "SEARCH {}: unknown criteria", criteria);
    return *found;
  }

  Result<void> noop(const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("NOOP", lock, context));
    deliver_pending(lock);
    return {};
  }

  Result<std::optional<imap::Quota>> quota(const imap::WireName&, const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("QUOTA", lock, context));
    auto answer = state_->quota;
    deliver_pending(lock);
    return answer;
  }

  Result<imap::IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context) override;

  Result<void> notify_personal(const CallContext& context) override {
    Lock lock(state_->mutex);
    if (!has("NOTIFY")) return fail(EOPNOTSUPP, "NOTIFY is not offered");
    IMAPFS_TRY(enter("NOTIFY", lock, context));
    connection_->notify = true;
    deliver_pending(lock);
    return {};
  }

  void logout() override {
    const std::lock_guard guard(state_->mutex);
    ++state_->counts["LOGOUT"];
    connection_->lost = true;
    state_->changed.notify_all();
  }

 private:
  [[nodiscard]] bool has(std::string_view capability) const { return connection_->traits.has(capability); }

  [[nodiscard]] static tl::unexpected<Error> no_mailbox(const imap::WireName& name) {
    return fail(ENOENT, Scope::mailbox, Retry::never, "{}: no such mailbox [NONEXISTENT]", name);
  }

  [[nodiscard]] tl::unexpected<Error> lose(Error error) {
    connection_->lost = true;
    state_->changed.notify_all();
    return fail(std::move(error));
  }

  /// Counts the command, then lets the faults and gates of the test have their say.
  Result<void> enter(const std::string& command, Lock& lock, const CallContext& context) {
    if (connection_->lost) return fail(FakeServerState::connection_lost());
    if (auto ready = context.check(); !ready) return ready;
    ++state_->counts[command];
    state_->changed.notify_all();
    IMAPFS_TRY(pass_gate(command, lock, context));
    auto& failures = state_->failures[command];
    if (failures.empty()) return {};
    Error error = std::move(failures.front());
    failures.pop_front();
    if (error.scope == Scope::session) return lose(std::move(error));
    return fail(std::move(error));
  }

  /// Waits while the gate is held. Cancellation and deadline lose the connection: a command is under way.
  Result<void> pass_gate(const std::string& name, Lock& lock, const CallContext& context) {
    auto& gate = state_->gates[name];
    const auto open = [&] { return !gate.held || gate.permits > 0 || connection_->lost; };
    if (!open()) {
      ++gate.waiting;
      state_->changed.notify_all();
      wait(lock, context.stop, context.deadline, open);
      --gate.waiting;
      state_->changed.notify_all();
    }
    if (connection_->lost) return fail(FakeServerState::connection_lost());
    if (!open()) {
      if (context.cancelled()) return lose(Error{EINTR, Scope::session, Retry::never, "cancelled"});
      return lose(Error{ETIMEDOUT, Scope::session, Retry::later, "deadline passed"});
    }
    if (gate.held) --gate.permits;
    return {};
  }

  template <class Predicate>
  void wait(Lock& lock, const std::stop_token& stop, Deadline until, Predicate done) {
    // wait_until() converts the deadline to another clock; the maximum would overflow there.
    if (until == Deadline::max())
      state_->changed.wait(lock, stop, done);
    else
      state_->changed.wait_until(lock, stop, until, done);
  }

  Result<FakeMailbox*> selected_mailbox() {
    const auto found = state_->mailboxes.find(selected_);
    if (selected_.empty() || found == state_->mailboxes.end()) return fail(EINVAL, "no mailbox is selected");
    return &found->second;
  }

  /// Hands pending data to the listener on this thread, unlocked. Returns how much there was.
  std::size_t deliver_pending(Lock& lock) {
    auto pending = std::exchange(connection_->pending, {});
    lock.unlock();
    if (listener_ != nullptr)
      for (const auto& datum : pending) std::visit([this](const auto& value) { deliver(value); }, datum);
    lock.lock();
    return pending.size();
  }

  void deliver(const untagged::Exists& exists) { listener_->on_exists(exists.messages); }
  void deliver(const untagged::Expunge&) { listener_->on_expunge(); }
  void deliver(const untagged::Vanished& vanished) {
    // Without QRESYNC a server says EXPUNGE and a sequence number, which sessions do not pass on.
    if (has("QRESYNC")) return listener_->on_vanished(vanished.uids);
    for (std::uint64_t i = 0; i < vanished.uids.count(); ++i) listener_->on_expunge();
  }
  void deliver(const untagged::Fetch& fetch) {
    imap::FetchRow row;
    row.uid = fetch.uid;
    row.flags = fetch.flags;
    if (has("CONDSTORE")) row.modseq = fetch.modseq;
    listener_->on_fetch(row);
  }
  void deliver(const untagged::Status& status) { listener_->on_status(status.mailbox, status.status); }
  void deliver(const untagged::ListChanged&) { listener_->on_mailbox_list_changed(); }

  Result<std::shared_ptr<const std::string>> body_of(Uid uid) {
    auto* mailbox = IMAPFS_TRY(selected_mailbox());
    const auto found = mailbox->messages.find(uid);
    if (found == mailbox->messages.end())
      return fail(ENOENT, Scope::message, Retry::never, "UID {}: the server sent no body", uid.value);
    return found->second.body;
  }

  Result<void> send_body(const std::string& body, imap::OctetRange range, imap::BodySink& sink, Lock& lock,
                         const CallContext& context);

  std::shared_ptr<FakeServerState> state_;
  std::shared_ptr<FakeConnection> connection_;
  const std::string name_;
  imap::WireName selected_;
  imap::SelectedMailbox selection_;
  imap::UntaggedListener* listener_ = nullptr;
};

inline Result<imap::SelectedMailbox> FakeSession::select(const SelectRequest& request, const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("SELECT", lock, context));
  selected_.clear();
  connection_->selected.clear();
  const auto found = state_->mailboxes.find(request.mailbox);
  if (found == state_->mailboxes.end() || !found->second.selectable) return no_mailbox(request.mailbox);
  const FakeMailbox& mailbox = found->second;
  selected_ = connection_->selected = request.mailbox;
  // What was queued for the mailbox selected before is of no use now; NOTIFY's STATUS lines are.
  std::erase_if(connection_->pending, [](const auto& datum) { return datum.index() < 4; });

  imap::SelectedMailbox answer;
  answer.messages = static_cast<std::uint32_t>(mailbox.messages.size());
  answer.uid_validity = mailbox.uid_validity;
  answer.uid_next = mailbox.uid_next;
  if (has("CONDSTORE")) answer.highest_modseq = mailbox.highest_modseq;
  answer.read_only = mailbox.read_only || !request.read_write;
  answer.permanent_flags = FlagSet::parse("\\Answered \\Flagged \\Deleted \\Seen \\Draft");
  answer.may_create_keywords = true;
  answer.qresync_applied =
      request.qresync && has("QRESYNC") && request.qresync->uid_validity == mailbox.uid_validity;
  UidSet vanished;
  std::vector<imap::FetchRow> rows;
  if (answer.qresync_applied) {
    vanished = mailbox.vanished_since(request.qresync->highest_modseq, request.qresync->known_uids);
    for (const auto& [uid, message] : mailbox.messages)
      if (message.modseq > request.qresync->highest_modseq)
        rows.push_back({uid, message.flags, std::nullopt, std::nullopt, message.modseq, {}});
  }
  lock.unlock();
  if (!vanished.empty() && request.vanished) request.vanished(vanished);
  if (request.rows)
    for (const auto& row : rows) request.rows(row);
  lock.lock();
  deliver_pending(lock);
  return answer;
}

inline Result<void> FakeSession::fetch(const FetchRequest& request,
                                       const std::function<void(const imap::FetchRow&)>& rows,
                                       const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter(request.items.header_fields.empty() ? "FETCH flags" : "FETCH headers", lock, context));
  if (request.changed_since && !has("CONDSTORE")) return fail(EINVAL, "FETCH: CHANGEDSINCE without CONDSTORE");
  std::vector<FakeMessage> messages;
  for (const auto& [uid, message] : IMAPFS_TRY(selected_mailbox())->messages)
    if (request.uids.contains(uid) && (!request.changed_since || message.modseq > *request.changed_since))
      messages.push_back(message);
  for (const auto& message : messages) {
    IMAPFS_TRY(pass_gate("FETCH row", lock, context));
    imap::FetchRow row;
    row.uid = message.uid;
    if (request.items.flags) row.flags = message.flags;
    if (request.items.internal_date) row.internal_date = message.internal_date;
    if (request.items.size) row.size = message.reported_size;
    // RFC 7162 §3.1.4.1: CHANGEDSINCE implies MODSEQ in the answer.
    if (has("CONDSTORE") && (request.items.modseq || request.changed_since)) row.modseq = message.modseq;
    std::string block;
    if (!request.items.header_fields.empty()) block = header_fields_of(*message.body, request.items.header_fields);
    row.header_block = block;
    state_->header_bytes += block.size();
    lock.unlock();
    rows(row);
    lock.lock();
  }
  deliver_pending(lock);
  return {};
}

inline Result<void> FakeSession::send_body(const std::string& body, imap::OctetRange range, imap::BodySink& sink,
                                           Lock& lock, const CallContext& context) {
  const std::uint64_t begin = std::min<std::uint64_t>(range.offset, body.size());
  const std::uint64_t length = std::min<std::uint64_t>(range.length, body.size() - begin);
  lock.unlock();
  auto result = sink.begin(length);
  lock.lock();
  // A sink that gives up leaves a literal unread on the connection.
  if (!result) return lose(Error{result.error().errnum, Scope::session, Retry::never, result.error().what});
  for (std::uint64_t sent = 0; sent < length;) {
    IMAPFS_TRY(pass_gate("FETCH body data", lock, context));
    const auto size = std::min<std::uint64_t>(state_->chunk_bytes, length - sent);
    lock.unlock();
    result = sink.data(std::span(body).subspan(begin + sent, size));
    lock.lock();
    if (!result) return lose(Error{result.error().errnum, Scope::session, Retry::never, result.error().what});
    sent += size;
    state_->body_bytes += size;
  }
  return {};
}

inline Result<void> FakeSession::fetch_body(Uid uid, std::optional<imap::OctetRange> range, imap::BodySink& sink,
                                            const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH body", lock, context));
  const auto body = IMAPFS_TRY(body_of(uid));
  state_->bodies_fetched.push_back({selected_, uid, range});
  IMAPFS_TRY(send_body(*body, range.value_or(imap::OctetRange{0, body->size()}), sink, lock, context));
  deliver_pending(lock);
  return {};
}

inline Result<void> FakeSession::fetch_head_and_tail(Uid uid, std::uint64_t head_length, imap::OctetRange tail,
                                                     imap::BodySink& head_sink, imap::BodySink& tail_sink,
                                                     const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH head and tail", lock, context));
  const auto body = IMAPFS_TRY(body_of(uid));
  const imap::OctetRange head{0, head_length};
  state_->bodies_fetched.push_back({selected_, uid, head});
  state_->bodies_fetched.push_back({selected_, uid, tail});
  IMAPFS_TRY(send_body(*body, head, head_sink, lock, context));
  IMAPFS_TRY(send_body(*body, tail, tail_sink, lock, context));
  deliver_pending(lock);
  return {};
}

inline Result<std::string> FakeSession::fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                                            const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("FETCH fields", lock, context));
  auto block = header_fields_of(*IMAPFS_TRY(body_of(uid)), fields);
  state_->header_bytes += block.size();
  deliver_pending(lock);
  return block;
}

inline Result<imap::IdleEnd> FakeSession::idle(std::chrono::seconds renew_after, const CallContext& context) {
  Lock lock(state_->mutex);
  if (!has("IDLE")) return fail(EOPNOTSUPP, "IDLE is not offered");
  IMAPFS_TRY(enter("IDLE", lock, context));
  IMAPFS_TRY(selected_mailbox());
  const auto renewal = SteadyClock::now() + renew_after;
  connection_->idling = true;
  state_->changed.notify_all();
  wait(lock, context.stop, std::min(renewal, context.deadline),
       [&] { return connection_->lost || !connection_->pending.empty(); });
  connection_->idling = false;
  state_->changed.notify_all();
  if (connection_->lost) return fail(FakeServerState::connection_lost());
  if (deliver_pending(lock) > 0) return imap::IdleEnd::event;
  if (context.cancelled()) return fail(EINTR, "cancelled");
  if (SteadyClock::now() >= renewal) return imap::IdleEnd::renewal_due;
  return fail(ETIMEDOUT, Scope::request, Retry::later, "deadline passed");
}

}  // namespace imapfs::testing
