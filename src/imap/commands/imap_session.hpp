#pragma once
// Session over libetpan and the streaming reader: libetpan for login and simple commands, the reader for everything
// that carries rows, bodies or news. One file per command family beside this one (select_command.cpp,
// fetch_command.cpp, …).
//
// Contracts are those of Session. The constructor takes a connection that is logged in; see login.hpp for how it gets
// there.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imap/commands/connection.hpp"
#include "imap/commands/connection_compression.hpp"
#include "imap/commands/selection.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

class ImapSession final : public Session {
 public:
  struct Login {
    ServerTraits traits;
    std::string description;  ///< "imaps host:port"
    bool utf8 = false;        ///< UTF8=ACCEPT is enabled
    std::shared_ptr<LearnedQuirks> learned;
  };
  ImapSession(std::unique_ptr<Connection> connection, ConnectionCompression compression, Login login);
  ImapSession(const ImapSession&) = delete;  // the channel calls back
  ImapSession& operator=(const ImapSession&) = delete;
  ~ImapSession() override;

  [[nodiscard]] const ServerTraits& traits() const override { return login_.traits; }
  [[nodiscard]] std::string description() const override;
  void set_listener(UntaggedListener* listener) override { selection_.set_listener(listener); }
  Result<std::vector<Namespace>> namespaces(const CallContext& context) override;
  Result<std::vector<ListedMailbox>> list(const WireName& wire_reference, const CallContext& context) override;
  Result<MailboxStatus> status(const WireName& mailbox, const CallContext& context) override;
  [[nodiscard]] const WireName& selected() const override { return selection_.mailbox(); }
  [[nodiscard]] const SelectedMailbox& selection() const override { return selection_.state(); }
  Result<AppendedMessage> append(const AppendRequest& request, AppendSource& source,
                                 const CallContext& context) override;
  Result<CopiedMessages> copy(const UidSet& uids, const WireName& destination, const CallContext& context) override;
  Result<CopiedMessages> move(const UidSet& uids, const WireName& destination, const CallContext& context) override;
  Result<void> store_flags(const UidSet& uids, const FlagChange& change, const CallContext& context) override;
  Result<void> expunge(const UidSet& uids, const CallContext& context) override;
  Result<void> leave(const WireName& mailbox, const CallContext& context) override;
  Result<void> create_mailbox(const WireName& mailbox, const CallContext& context) override;
  Result<void> delete_mailbox(const WireName& mailbox, const CallContext& context) override;
  Result<void> rename_mailbox(const WireName& from, const WireName& to, const CallContext& context) override;
  Result<void> subscribe(const WireName& mailbox, bool subscribed, const CallContext& context) override;
  Result<std::optional<std::string>> my_rights(const WireName& mailbox, const CallContext& context) override;
  Result<SelectedMailbox> select(const SelectRequest& request, const CallContext& context) override;
  Result<void> fetch(const FetchRequest& request, const std::function<void(const FetchRow&)>& rows,
                     const CallContext& context) override;
  Result<void> fetch_body(Uid uid, std::optional<OctetRange> range, BodySink& sink,
                          const CallContext& context) override;
  Result<void> fetch_head_and_tail(Uid uid, std::uint64_t head_length, OctetRange tail, BodySink& head_sink,
                                   BodySink& tail_sink, const CallContext& context) override;
  Result<void> fetch_ranges(Uid uid, BodyRangeSink& sink, SteadyClock::duration silence,
                            const CallContext& context) override;
  Result<void> fetch_bodies(BodySetSink& sink, SteadyClock::duration silence, const CallContext& context) override;
  Result<std::string> fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                          const CallContext& context) override;
  Result<UidSet> search(const std::string& criteria, const CallContext& context) override;
  Result<void> noop(const CallContext& context) override;
  Result<std::optional<Quota>> quota(const WireName& mailbox, const CallContext& context) override;
  void set_silence_watch(SilenceWatch watch) override;
  using Session::idle;
  Result<IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context,
                       const std::stop_token& asked) override;
  Result<void> notify_personal(const CallContext& context) override;
  void logout() override;

 private:
  using Effect = Selection::Effect;

  [[nodiscard]] CommandLine command(std::string_view name) const { return CommandLine(name, login_.utf8); }
  [[nodiscard]] bool has(std::string_view capability) const { return login_.traits.has(capability); }
  [[nodiscard]] std::string status_items() const;
  /// Names are modified UTF-7 for everybody above; where UTF8=ACCEPT is enabled they are UTF-8 on the wire.
  [[nodiscard]] std::string on_wire(const WireName& name) const;
  [[nodiscard]] WireName from_wire(std::string name) const;
  /// How many rows of messages `uids` an answer may have.
  [[nodiscard]] std::uint64_t most_rows(const UidSet& uids) const;
  /// Finds out whether the server refuses because of UTF8=ACCEPT.
  Error judge_refusal(const Answer& answer, Error error);
  Result<std::vector<ListedMailbox>> list_with(const CommandLine& command, const WireName& reference,
                                               const CallContext& context);
  /// A server renews a session's view of its mailbox only between commands (RFC 9051 §5.5), so a message that another
  /// session has told us of may be unknown here. When `attempt` fails with ENOENT of a message, NOOP renews the view
  /// and `attempt` runs once more.
  Result<void> with_current_view(const CallContext& context, const std::function<Result<void>()>& attempt);
  /// The number of rows.
  Result<std::uint64_t> fetch_rows(const FetchRequest& request, const std::function<void(const FetchRow&)>& rows,
                                   const CallContext& context);
  Result<std::vector<ListedMailbox>> list_plainly(const CommandLine& plain, std::vector<ListedMailbox> extended,
                                                  const CallContext& context);
  /// Messages of `uids` that are newer than this session's view of the mailbox would be left out by the server without
  /// a word (RFC 9051 §6.4.9): NOOP renews the view, unless it is known to reach that far.
  Result<void> look_as_far_as(const UidSet& uids, const CallContext& context);
  /// Runs a command that changes something: an Error of a lost connection says that the outcome is unknown.
  Result<Answer> run_change(const CommandLine& command, const UntaggedHandler& handler, const CallContext& context);
  /// Calls `part` with pieces of `uids` that make command lines of a sane length, until one fails.
  Result<void> change_in_parts(const UidSet& uids, Effect effect, const CallContext& context,
                               const std::function<Result<void>(const UidSet&)>& part);
  Result<CopiedMessages> copy_or_move(std::string_view name, const UidSet& uids, const WireName& destination,
                                      const CallContext& context);
  class BodyRows;
  class BodyPartRows;
  class BodyFetch;
  class BodyRangesFetch;
  class BodySetFetch;
  /// Takes FETCH rows: their bodies go where `rows` says, rows without one of ours to the listener.
  [[nodiscard]] UntaggedHandler body_handler(BodyRows& rows);
  /// Sets until there are none, or until the connection is to be compressed; adds the number of commands to `answered`.
  Result<void> fetch_sets(BodySetSink& sink, SteadyClock::duration silence, std::size_t& answered,
                          const CallContext& context);
  Result<void> run_body_fetch(const CommandLine& command, BodyFetch& fetch, const CallContext& context);

  Selection selection_;  ///< before the connection, which calls it
  std::unique_ptr<Connection> connection_;
  ConnectionCompression compression_;
  Login login_;
  FetchParser fetch_parser_;
  bool list_return_failed_ = false;
};

}  // namespace imapfs::imap
