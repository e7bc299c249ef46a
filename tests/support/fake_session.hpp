#pragma once
// imap::Session on FakeServerState. Behaves as a server that answers from memory: every command may be held, failed or
// counted by name, and untagged data is delivered at the end of each command. A command that ends by cancellation or
// deadline loses the connection, as it does on a real one; only IDLE ends cleanly.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_server_state.hpp"

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
  void set_silence_watch(imap::SilenceWatch watch) override { silence_watch_ = std::move(watch); }
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
  Result<imap::SelectedMailbox> select(const SelectRequest& request, const CallContext& context) override;
  Result<void> fetch(const FetchRequest& request, const std::function<void(const imap::FetchRow&)>& rows,
                     const CallContext& context) override;
  Result<void> fetch_body(Uid uid, std::optional<imap::OctetRange> range, imap::BodySink& sink,
                          const CallContext& context) override;
  Result<void> fetch_head_and_tail(Uid uid, std::uint64_t head_length, imap::OctetRange tail, imap::BodySink& head_sink,
                                   imap::BodySink& tail_sink, const CallContext& context) override;
  Result<void> fetch_ranges(Uid uid, imap::BodyRangeSink& sink, SteadyClock::duration silence,
                            const CallContext& context) override;
  Result<void> fetch_bodies(imap::BodySetSink& sink, SteadyClock::duration silence,
                            const CallContext& context) override;
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

  Result<void> leave(const imap::WireName& mailbox, const CallContext& context) override {
    Lock lock(state_->mutex);
    if (selected_.empty() || !selected_.starts_with(mailbox)) return {};
    IMAPFS_TRY(enter("UNSELECT", lock, context));
    selected_.clear();
    selection_ = {};
    connection_->selected.clear();
    return {};
  }

  Result<std::optional<imap::Quota>> quota(const imap::WireName&, const CallContext& context) override {
    Lock lock(state_->mutex);
    IMAPFS_TRY(enter("QUOTA", lock, context));
    auto answer = state_->quota;
    deliver_pending(lock);
    return answer;
  }

  Result<imap::AppendedMessage> append(const imap::AppendRequest& request, imap::AppendSource& source,
                                       const CallContext& context) override;
  Result<imap::CopiedMessages> copy(const UidSet& uids, const imap::WireName& destination,
                                    const CallContext& context) override;
  Result<imap::CopiedMessages> move(const UidSet& uids, const imap::WireName& destination,
                                    const CallContext& context) override;
  Result<void> store_flags(const UidSet& uids, const FlagChange& change, const CallContext& context) override;
  Result<void> expunge(const UidSet& uids, const CallContext& context) override;
  Result<void> create_mailbox(const imap::WireName& mailbox, const CallContext& context) override;
  Result<void> delete_mailbox(const imap::WireName& mailbox, const CallContext& context) override;
  Result<void> rename_mailbox(const imap::WireName& from, const imap::WireName& to,
                              const CallContext& context) override;
  Result<void> subscribe(const imap::WireName& mailbox, bool subscribed, const CallContext& context) override;
  Result<std::optional<std::string>> my_rights(const imap::WireName& mailbox, const CallContext& context) override;

  using imap::Session::idle;
  Result<imap::IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context,
                             const std::stop_token& asked) override;

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

  /// Counts the command, then lets the faults and gates of the test have their say. `text` is how a change is spelled.
  Result<void> enter(const std::string& command, Lock& lock, const CallContext& context, std::string text = {}) {
    if (connection_->lost) return fail(FakeServerState::connection_lost());
    if (auto ready = context.check(); !ready) return ready;
    ++state_->counts[command];
    if (!text.empty()) state_->commands.push_back(std::move(text));
    state_->changed.notify_all();
    IMAPFS_TRY(pass_gate(command, lock, context));
    if (const auto refused = state_->refused_commands.find(command); refused != state_->refused_commands.end()) {
      return fail(Error(refused->second));
    }
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
    const auto open = [&] { return (!connection_->mute && (!gate.held || gate.permits > 0)) || connection_->lost; };
    bool given_up = false;
    if (!open()) {
      ++gate.waiting;
      state_->changed.notify_all();
      given_up = !outlast(name, lock, context, open);
      --gate.waiting;
      state_->changed.notify_all();
    }
    if (connection_->lost) return fail(FakeServerState::connection_lost());
    if (!open()) {
      if (given_up) return lose(Error{ETIMEDOUT, Scope::session, Retry::now, "no answer"});
      if (context.cancelled()) return lose(Error{EINTR, Scope::session, Retry::never, "cancelled"});
      return lose(Error{ETIMEDOUT, Scope::session, Retry::later, "deadline passed"});
    }
    if (gate.held) --gate.permits;
    return {};
  }

  /// Waits, and asks the silence watch now and then. False if that gives up.
  template <class Predicate>
  bool outlast(const std::string& command, Lock& lock, const CallContext& context, Predicate open) {
    const auto began = SteadyClock::now();
    const auto turns = silence_watch_.gives_up ? silence_watch_.every : SteadyClock::duration::max();
    const bool changing = FakeServerState::is_change(command.substr(0, command.find(" answer")));
    while (true) {
      const auto now = SteadyClock::now();
      const auto turn = context.deadline - now > turns ? now + turns : context.deadline;
      wait(lock, context.stop, turn, open);
      if (open() || context.cancelled() || context.expired()) return true;
      if (!silence_watch_.gives_up) continue;
      lock.unlock();
      const bool gives_up = silence_watch_.gives_up(SteadyClock::now() - began, changing);
      lock.lock();
      if (gives_up && !open()) return false;
    }
  }

  template <class Predicate>
  void wait(Lock& lock, const std::stop_token& stop, Deadline until, Predicate done) {
    // wait_until() converts the deadline to another clock; the maximum would overflow there.
    if (until == Deadline::max()) state_->changed.wait(lock, stop, done);
    else state_->changed.wait_until(lock, stop, until, done);
  }

  Result<FakeMailbox*> selected_mailbox() {
    const auto found = state_->mailboxes.find(selected_);
    if (selected_.empty() || found == state_->mailboxes.end()) return fail(EINVAL, "no mailbox is selected");
    return &found->second;
  }

  /// Hands pending data to the listener on this thread, unlocked. Returns how much there was.
  std::size_t deliver_pending(Lock& lock) {
    auto pending = std::exchange(connection_->pending, {});
    for (const auto& datum : pending) std::visit([this](const auto& value) { count(value); }, datum);
    lock.unlock();
    if (listener_ != nullptr)
      for (const auto& datum : pending) std::visit([this](const auto& value) { deliver(value); }, datum);
    lock.lock();
    return pending.size();
  }

  void deliver(const untagged::Exists& exists) { listener_->on_exists(exists.messages); }
  void deliver(const untagged::Expunge&) { listener_->on_expunge(); }
  template <class Datum>
  void count(const Datum&) {}
  void count(const untagged::Exists& exists) { selection_.messages = exists.messages; }
  void count(const untagged::Expunge&) { selection_.messages -= std::min(selection_.messages, 1U); }
  void count(const untagged::Vanished& vanished) {
    selection_.messages -= std::min(selection_.messages, static_cast<std::uint32_t>(vanished.uids.count()));
  }
  void deliver(const untagged::Vanished& vanished) {
    // Without QRESYNC a server says EXPUNGE and a sequence number, which sessions do not pass on.
    if (has("QRESYNC")) return listener_->on_vanished(vanished.uids);
    for (std::uint64_t i = 0; i < vanished.uids.count(); ++i) listener_->on_expunge();
  }
  void deliver(const untagged::Fetch& fetch) {
    imap::FetchRow row;
    row.uid = fetch.uid;
    row.flags = fetch.flags;  // Absent for the one who said .SILENT (RFC 7162 §3.1.3).
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

  /// How a command that changes something begins and ends: in between, what the test allows is carried out.
  class Change {
   public:
    Change(FakeSession& session, std::string command) : session_(session), command_(std::move(command)) {}
    /// Sends it, spelled `text`.
    Result<void> begin(std::string text, Lock& lock, const CallContext& context);
    /// For how many of its messages it is to be carried out.
    [[nodiscard]] std::size_t reach() const { return loss_.value_or(FakeServerState::whole_command); }
    /// The answer, after what is pending; or the connection is lost, as the test wished.
    Result<void> end(Lock& lock, const CallContext& context);

   private:
    FakeSession& session_;
    const std::string command_;
    std::optional<std::size_t> loss_;
  };
  /// What a change that lost its connection says, whatever the reason.
  static Result<void> unknown_outcome(Result<void> result) {
    if (!result && result.error().scope == Scope::session) result.error().retry = Retry::later;
    return result;
  }
  Result<void> need_rights(const FakeMailbox& mailbox, std::string_view rights) const {
    for (const char right : rights)
      if (has("ACL") && mailbox.rights.find(right) == std::string::npos)
        return fail(EACCES, "{}: [NOPERM] right \"{}\" is missing", mailbox.wire_name, right);
    return {};
  }
  /// To create `name`, where the mailbox above it exists.
  Result<void> need_parent_rights(const imap::WireName& name) const {
    const auto* parent = state_->parent_of(name);
    return parent != nullptr ? need_rights(*parent, "k") : Result<void>{};
  }
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const {
    constexpr std::string_view prefix = "APPENDLIMIT=";
    for (const auto& word : connection_->traits.capabilities.words())
      if (word.starts_with(prefix)) return std::stoull(word.substr(prefix.size()));
    return std::nullopt;
  }
  /// The selected mailbox, if it was selected read-write.
  Result<FakeMailbox*> writable_mailbox();
  Result<FakeMailbox*> destination_mailbox(const imap::WireName& name);
  /// The octets of an APPEND, read unlocked.
  Result<std::string> read_literal(imap::AppendSource& source, Lock& lock);
  void remove_from(FakeMailbox& mailbox, const std::vector<Uid>& uids);
  static FlagSet changed_flags(FlagSet flags, const FlagChange& change);
  void empty_inbox_into(FakeMailbox& inbox, const imap::WireName& to);
  void rename_with_children(const FakeMailbox& mailbox, const imap::WireName& to);
  void forget_selected(const imap::WireName& mailbox);
  Result<imap::CopiedMessages> copy_or_move(bool move, const UidSet& uids, const imap::WireName& destination,
                                            const CallContext& context);

  Result<void> send_lie(const std::string& body, std::uint64_t announced, imap::BodySink& sink, Lock& lock);
  Result<void> send_body(const std::string& body, imap::OctetRange range, imap::BodySink& sink, Lock& lock,
                         const CallContext& context);

  std::shared_ptr<FakeServerState> state_;
  std::shared_ptr<FakeConnection> connection_;
  const std::string name_;
  imap::WireName selected_;
  imap::SelectedMailbox selection_;
  imap::UntaggedListener* listener_ = nullptr;
  imap::SilenceWatch silence_watch_;
};

inline Result<imap::SelectedMailbox> FakeSession::select(const SelectRequest& request, const CallContext& context) {
  Lock lock(state_->mutex);
  IMAPFS_TRY(enter("SELECT", lock, context));
  selected_.clear();
  connection_->selected.clear();
  selection_ = {};
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
  // Nothing can be changed in a mailbox that is selected read-only: Dovecot says PERMANENTFLAGS () to EXAMINE.
  if (!answer.read_only) answer.permanent_flags = mailbox.permanent_flags;
  answer.may_create_keywords = !answer.read_only && mailbox.may_create_keywords;
  answer.qresync_applied = request.qresync && has("QRESYNC") && request.qresync->uid_validity == mailbox.uid_validity;
  UidSet vanished;
  std::vector<imap::FetchRow> rows;
  if (answer.qresync_applied) {
    vanished = mailbox.vanished_since(request.qresync->highest_modseq);
    for (const auto& [uid, message] : mailbox.messages)
      if (message.modseq > request.qresync->highest_modseq)
        rows.push_back({uid, message.flags, std::nullopt, std::nullopt, message.modseq, {}});
  }
  selection_ = answer;
  lock.unlock();
  if (!vanished.empty() && request.vanished) request.vanished(vanished);
  if (request.rows)
    for (const auto& row : rows) request.rows(row);
  lock.lock();
  deliver_pending(lock);
  return answer;
}

inline Result<imap::IdleEnd> FakeSession::idle(std::chrono::seconds renew_after, const CallContext& context,
                                               const std::stop_token& asked) {
  Lock lock(state_->mutex);
  if (!has("IDLE")) return fail(EOPNOTSUPP, "IDLE is not offered");
  IMAPFS_TRY(enter("IDLE", lock, context));
  IMAPFS_TRY(selected_mailbox());
  const auto renewal = SteadyClock::now() + renew_after;
  connection_->idling = true;
  state_->changed.notify_all();
  std::stop_source either;
  const std::stop_callback on_stop(context.stop, [&either] { either.request_stop(); });
  const std::stop_callback on_asked(asked, [&either] { either.request_stop(); });
  const auto has_news = [&] { return !connection_->mute && !connection_->pending.empty(); };
  wait(lock, either.get_token(), std::min(renewal, context.deadline), [&] { return connection_->lost || has_news(); });
  connection_->idling = false;
  state_->changed.notify_all();
  if (asked.stop_requested() && connection_->mute) {
    return lose(Error{ETIMEDOUT, Scope::session, Retry::later, "IDLE was not answered"});
  }
  if (connection_->lost) return fail(FakeServerState::connection_lost());
  if (deliver_pending(lock) > 0) return imap::IdleEnd::event;
  if (asked.stop_requested()) return imap::IdleEnd::renewal_due;
  if (context.cancelled()) return fail(EINTR, "cancelled");
  if (SteadyClock::now() >= renewal) return imap::IdleEnd::renewal_due;
  return fail(ETIMEDOUT, Scope::request, Retry::later, "deadline passed");
}

}  // namespace imapfs::testing

#include "fake_session_changes.hpp"
#include "fake_session_fetch.hpp"
#include "fake_session_mailboxes.hpp"
