#pragma once
// One logged-in IMAP connection, in our types.
//
// A session is used by one thread at a time and blocks within the CallContext it is given. Sequence numbers never leave
// this layer: where the server speaks in them, the session says only that something was removed. An Error of scope
// session means the connection is lost and the object may only be destroyed; with a smaller scope it goes on. NO after
// partial data is an Error; rows delivered before it were real.
//
// Data that arrives unasked on any command (EXISTS, EXPUNGE, VANISHED, FETCH, STATUS, LIST) goes to the
// UntaggedListener, on the calling thread, in the order received. Servers never repeat it.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/imap/compression_choice.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/net/tls_stream.hpp"

namespace imapfs::imap {

/// A mailbox by the exact bytes that the server uses without UTF8=ACCEPT: modified UTF-7, or what it sends instead.
/// The same on every session, whatever is enabled there.
using WireName = std::string;

/// A row of LIST with what LIST … RETURN (STATUS …) added.
struct ListedMailbox {
  WireName wire_name;
  std::string name;               ///< UTF-8, all levels with `delimiter` between them; INBOX in upper case
  char delimiter = 0;             ///< 0: flat
  bool selectable = true;         ///< neither \Noselect nor \NonExistent
  bool may_have_children = true;  ///< not \Noinferiors
  bool subscribed = false;
  SpecialUse special_use = SpecialUse::none;
  MailboxStatus status;
};

/// RFC 2342. `prefix` as sent, decoded to UTF-8, for example "INBOX." or "shared/".
struct Namespace {
  enum class Kind : std::uint8_t { personal, other_users, shared };
  Kind kind = Kind::personal;
  WireName wire_prefix;
  std::string prefix;
  char delimiter = 0;
};

/// One FETCH row without body. Absent items stay empty: servers omit and reorder.
struct FetchRow {
  Uid uid;
  std::optional<FlagSet> flags;
  std::optional<UnixTime> internal_date;
  std::optional<std::uint64_t> size;
  std::optional<ModSeq> modseq;
  std::string_view header_block;  ///< of HEADER.FIELDS; valid during the call only
  std::uint32_t sequence = 0;     ///< the message's number in the selected mailbox at that moment; 0: not told
};

class UntaggedListener {
 public:
  virtual ~UntaggedListener() = default;
  /// The selected mailbox now has `messages` messages.
  virtual void on_exists(std::uint32_t messages) = 0;
  /// A message was removed and the server did not say its UID.
  virtual void on_expunge() = 0;
  virtual void on_vanished(const UidSet& uids) = 0;
  /// A FETCH row nobody asked for; `uid` may be 0 when the server did not send it.
  virtual void on_fetch(const FetchRow& row) = 0;
  /// RFC 7162: the selected mailbox has this HIGHESTMODSEQ now. Not during SELECT, whose answer has it. The only word
  /// of a message that has come and gone between two looks of the session.
  virtual void on_highest_modseq(ModSeq) {}
  /// RFC 5465 NOTIFY: STATUS of a mailbox that is not selected.
  virtual void on_status(const WireName& mailbox, const MailboxStatus& status) = 0;
  /// RFC 5465 NOTIFY: a mailbox was created, removed or renamed.
  virtual void on_mailbox_list_changed() = 0;
};

/// What is known of a mailbox from last time, for RFC 7162 QRESYNC.
struct QresyncState {
  UidValidity uid_validity;
  ModSeq highest_modseq;
};

/// RFC 7162 §4: servers may refuse command lines beyond 8,192 bytes, literals aside. So long may the text of a UID set
/// be; the rest is for tag, command and mailbox name.
inline constexpr std::size_t longest_uid_set = 7000;

struct SelectedMailbox {
  std::uint32_t messages = 0;
  std::optional<UidValidity> uid_validity;
  std::optional<Uid> uid_next;
  std::optional<ModSeq> highest_modseq;  ///< absent with NOMODSEQ, 0, or no CONDSTORE
  bool read_only = false;
  FlagSet permanent_flags;
  bool may_create_keywords = false;  ///< \* in PERMANENTFLAGS
  bool qresync_applied = false;      ///< the server answered QRESYNC: VANISHED (EARLIER) and FETCH rows were delivered
};

/// Items of a FETCH. UID is always asked for.
struct FetchItems {
  bool flags = false;
  bool internal_date = false;
  bool size = false;
  bool modseq = false;                     ///< only with CONDSTORE
  std::vector<std::string> header_fields;  ///< BODY.PEEK[HEADER.FIELDS (…)]
};

/// Part of a body, in bytes.
struct OctetRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Receives a body as it comes off the wire.
class BodySink {
 public:
  virtual ~BodySink() = default;
  /// The literal's length: for a whole body its exact size, for a range what the server has of it.
  virtual Result<void> begin(std::uint64_t length) = 0;
  virtual Result<void> data(std::span<const char> bytes) = 0;
};

/// Receives many bodies, one after the other as they come off the wire, and says which are wanted next. Called on the
/// thread of the command.
class BodySetSink {
 public:
  virtual ~BodySetSink() = default;
  /// The messages of a further command, which is sent at once: so the server has the next one before it has answered
  /// the last, and the connection is never idle between them. Asked between bodies, whenever fewer than two commands
  /// wait for their answer. Empty: none now.
  virtual UidSet next_set() = 0;
  /// A body of `length` bytes comes, of a message that was asked for and whose body has not come yet.
  virtual Result<void> begin(Uid uid, std::uint64_t length) = 0;
  virtual Result<void> data(std::span<const char> bytes) = 0;
  /// The body that was begun is complete.
  virtual Result<void> end() = 0;
  /// The command for the `number`th set has been answered (from 0, in the order of next_set()): what it has not
  /// brought, it never will. Not before: Dovecot goes on with the next command while the output of the first waits, so
  /// bodies of both come mixed.
  virtual void answered(std::size_t number) = 0;
};

/// Receives ranges of one body, and says which are wanted next. Called on the thread of the command.
class BodyRangeSink {
 public:
  virtual ~BodyRangeSink() = default;
  /// The range of a further command, which is sent at once: so the connection is never idle between two. Asked
  /// whenever fewer than two commands wait for their answer. Empty: none now.
  virtual std::optional<OctetRange> next_range() = 0;
  /// Bytes of a range that was asked for come, `length` of them: at most as many as were asked for.
  virtual Result<void> begin(const OctetRange& range, std::uint64_t length) = 0;
  virtual Result<void> data(std::span<const char> bytes) = 0;
  /// The command for this range has been answered: what it has not brought, it never will.
  virtual void answered(const OctetRange& range) = 0;
};

struct Quota {
  std::uint64_t used_kib = 0;
  std::uint64_t limit_kib = 0;
};

/// The bytes of a message to be appended, in the form IMAP wants (CRLF line ends), read once from front to end.
class AppendSource {
 public:
  virtual ~AppendSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Fills `buffer` with the next bytes and returns how many; 0 at the end, which comes after exactly size() bytes.
  /// An Error ends the command at the price of the connection: the server has been promised a literal.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
};

struct AppendRequest {
  WireName mailbox;
  FlagSet flags;  ///< \Recent is left out
  std::optional<UnixTime> internal_date;
};

/// RFC 4315 APPENDUID; empty without UIDPLUS.
struct AppendedMessage {
  std::optional<UidValidity> uid_validity;
  std::optional<Uid> uid;
};

/// RFC 4315 COPYUID of UID COPY and UID MOVE, from wherever the server put it (tagged or untagged OK).
struct CopiedMessages {
  std::optional<UidValidity> uid_validity;  ///< of the destination; absent: the server did not tell what became of them
  std::vector<std::pair<Uid, Uid>> uids;    ///< source, destination; messages that were gone already are missing
};

/// Who judges over a command that is not answered. Asked on the command's thread, again and again after `every`, while
/// nothing comes from the server: with the time for which nothing has come, and whether the command changes something.
struct SilenceWatch {
  SteadyClock::duration every{};
  /// True: the session is given up, with ETIMEDOUT, scope session, Retry::now (Retry::later from changes, as ever).
  std::function<bool(SteadyClock::duration silent, bool changing)> gives_up;
};

enum class IdleEnd : std::uint8_t { event, renewal_due };

class Session {
 public:
  virtual ~Session() = default;

  [[nodiscard]] virtual const ServerTraits& traits() const = 0;
  /// "imaps mail.example.org:993 TLSv1.3 …": for logs and status.
  [[nodiscard]] virtual std::string description() const = 0;
  virtual void set_listener(UntaggedListener* listener) = 0;
  /// For every command but IDLE while it rests. Without it only a command's deadline ends its silence.
  virtual void set_silence_watch(SilenceWatch) {}

  virtual Result<std::vector<Namespace>> namespaces(const CallContext& context) = 0;
  /// Every mailbox below the prefix `wire_reference`, with STATUS in the same command where the server can.
  virtual Result<std::vector<ListedMailbox>> list(const WireName& wire_reference, const CallContext& context) = 0;
  virtual Result<MailboxStatus> status(const WireName& mailbox, const CallContext& context) = 0;

  /// The mailbox selected now; empty if none.
  [[nodiscard]] virtual const WireName& selected() const = 0;
  /// What select() said of it, `messages` as told since; read_only is false only if read_write was wanted and granted.
  [[nodiscard]] virtual const SelectedMailbox& selection() const = 0;
  /// EXAMINE (reading can never set \Seen), with QRESYNC where state is given and the server has it. Rows and vanished
  /// UIDs of QRESYNC go to `rows` and `vanished`.
  struct SelectRequest {
    WireName mailbox;
    bool read_write = false;
    std::optional<QresyncState> qresync;
    std::function<void(const FetchRow&)> rows;
    std::function<void(const UidSet&)> vanished;
  };
  virtual Result<SelectedMailbox> select(const SelectRequest& request, const CallContext& context) = 0;

  /// UID FETCH, rows streamed in the order received. `changed_since` needs CONDSTORE; with `vanished`, which needs
  /// QRESYNC too, what has gone since then is told as well (RFC 7162 §3.2.6). One command; the caller bounds the set.
  struct FetchRequest {
    UidSet uids;
    FetchItems items;
    std::optional<ModSeq> changed_since;
    std::function<void(const UidSet&)> vanished = {};
  };
  virtual Result<void> fetch(const FetchRequest& request, const std::function<void(const FetchRow&)>& rows,
                             const CallContext& context) = 0;

  /// UID FETCH BODY.PEEK[] of one message, or of a range. ENOENT (scope message) if the server sent no body for it. A
  /// body that the server labelled with another UID is refused with EIO and nothing of it must be kept.
  virtual Result<void> fetch_body(Uid uid, std::optional<OctetRange> range, BodySink& sink,
                                  const CallContext& context) = 0;
  /// Head and tail of a large message in one command: BODY.PEEK[]<0.head> and BODY.PEEK[]<tail.offset.tail.length>.
  /// `tail_sink` receives what the server has there, possibly nothing.
  virtual Result<void> fetch_head_and_tail(Uid uid, std::uint64_t head_length, OctetRange tail, BodySink& head_sink,
                                           BodySink& tail_sink, const CallContext& context) = 0;
  /// Ranges of one body, until sink.next_range() has no more and everything has been answered. Errors: as fetch_body();
  /// ETIMEDOUT, scope session, when nothing has come for as long as `silence`. An Error of the sink costs the
  /// connection.
  virtual Result<void> fetch_ranges(Uid uid, BodyRangeSink& sink, SteadyClock::duration silence,
                                    const CallContext& context) = 0;
  /// UID FETCH BODY.PEEK[] of sets of messages, until sink.next_set() has no more and everything has been answered.
  /// Messages that are gone do not come; bodies that nobody asked for are read over; one that comes twice is a protocol
  /// error (EIO, scope session). ETIMEDOUT, scope session, when nothing of them has come for as long as `silence`.
  /// EOPNOTSUPP, scope request, if the server names a message only behind its body: such bodies are read over. An Error
  /// of the sink costs the connection.
  virtual Result<void> fetch_bodies(BodySetSink& sink, SteadyClock::duration silence, const CallContext& context) = 0;
  /// Raw header fields of one message, as a header block.
  virtual Result<std::string> fetch_header_fields(Uid uid, const std::vector<std::string>& fields,
                                                  const CallContext& context) = 0;

  /// UIDs of the selected mailbox by SEARCH (ESEARCH where offered). `criteria` is sent as given ("ALL", "UID 1:5").
  virtual Result<UidSet> search(const std::string& criteria, const CallContext& context) = 0;
  virtual Result<void> noop(const CallContext& context) = 0;
  /// Gives up the selection, by UNSELECT where there is one, if it is `mailbox` or may be below it.
  virtual Result<void> leave(const WireName& mailbox, const CallContext& context) = 0;
  /// RFC 9208 for the root of `mailbox`; nothing where there is no QUOTA or no STORAGE limit.
  virtual Result<std::optional<Quota>> quota(const WireName& mailbox, const CallContext& context) = 0;

  // -- changes --
  // None of these is sent again by itself. An Error of scope session from one of them means that the outcome is
  // unknown: it has Retry::later, and whoever wanted the change looks at the server before it says it again. Any other
  // Error means that the server has refused, or that nothing was sent. COPY, MOVE, STORE and EXPUNGE are about the
  // selected mailbox, which, but for COPY, must have been selected with read_write; a mailbox that is read-only gives
  // EROFS before anything is sent. A long set of theirs becomes several commands: if one is refused, those before it
  // have been carried out all the same, and `what` says so. A NO without a reason that we know is EPERM.

  /// APPEND, streamed in constant memory; LITERAL+ where offered, else (also for LITERAL-) one round trip more. A
  /// message larger than APPENDLIMIT: EFBIG before anything is sent. TRYCREATE: ENOENT, scope mailbox.
  virtual Result<AppendedMessage> append(const AppendRequest& request, AppendSource& source,
                                         const CallContext& context) = 0;
  virtual Result<CopiedMessages> copy(const UidSet& uids, const WireName& destination, const CallContext& context) = 0;
  /// RFC 6851; EOPNOTSUPP, scope request, without MOVE. VANISHED and EXPUNGE go to the listener.
  virtual Result<CopiedMessages> move(const UidSet& uids, const WireName& destination, const CallContext& context) = 0;
  /// UID STORE with .SILENT. Flags outside PERMANENTFLAGS: EPERM, nothing sent.
  virtual Result<void> store_flags(const UidSet& uids, const FlagChange& change, const CallContext& context) = 0;
  /// UID EXPUNGE (RFC 4315): only these, and only those of them that are \Deleted. EOPNOTSUPP without UIDPLUS: a plain
  /// EXPUNGE would remove what others have flagged, so it is never sent.
  virtual Result<void> expunge(const UidSet& uids, const CallContext& context) = 0;

  virtual Result<void> create_mailbox(const WireName& mailbox, const CallContext& context) = 0;
  virtual Result<void> delete_mailbox(const WireName& mailbox, const CallContext& context) = 0;
  virtual Result<void> rename_mailbox(const WireName& from, const WireName& to, const CallContext& context) = 0;
  virtual Result<void> subscribe(const WireName& mailbox, bool subscribed, const CallContext& context) = 0;
  /// RFC 4314 MYRIGHTS, for example "lrswipkxte"; nothing without ACL.
  virtual Result<std::optional<std::string>> my_rights(const WireName& mailbox, const CallContext& context) = 0;

  /// RFC 2177. Returns after at least one untagged datum was delivered to the listener and nothing more is buffered
  /// (DONE sent and answered), when `renew_after` has passed, or with an Error. Needs a selected mailbox. EINTR on stop
  /// ends IDLE cleanly. `asked` ends it as if renewal were due, to find out whether the connection stands: without an
  /// answer within seconds it is ETIMEDOUT, scope session.
  virtual Result<IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context,
                               const std::stop_token& asked) = 0;
  Result<IdleEnd> idle(std::chrono::seconds renew_after, const CallContext& context) {
    return idle(renew_after, context, {});
  }
  /// RFC 5465: asks for STATUS of every personal mailbox and for mailbox names; without NOTIFY: EOPNOTSUPP.
  virtual Result<void> notify_personal(const CallContext& context) = 0;

  /// LOGOUT, at most a second. The destructor does not talk to the server.
  virtual void logout() = 0;
};

/// How to reach and enter an account. The password is read from `password` at each login, so it can come from a
/// command.
struct AccountSettings {
  net::Endpoint endpoint;
  bool implicit_tls = true;  ///< imaps; else STARTTLS is required …
  bool allow_plain = false;  ///< … unless this is set (-o insecure, checked by app)
  net::TlsSettings tls;
  std::string user;
  std::function<Result<std::string>(const CallContext&)> password;
  QuirkOverrides quirks;
  /// Shared by all connections of the account.
  std::shared_ptr<LearnedQuirks> learned = std::make_shared<LearnedQuirks>();
  std::size_t max_line = 1 << 20;  ///< a longer response line is a protocol error
  /// Shared by all connections of the account.
  std::shared_ptr<CompressionChoice> compression = std::make_shared<CompressionChoice>(CompressionMode::automatic);
};

/// Connects, secures, logs in, sends ID, enables QRESYNC/CONDSTORE where offered, UTF8=ACCEPT where it is needed. Login
/// refused: EACCES, scope account, retry never. `listener` may be null.
Result<std::unique_ptr<Session>> open_session(const AccountSettings& settings, const CallContext& context);

using SessionFactory = std::function<Result<std::unique_ptr<Session>>(const CallContext&)>;

}  // namespace imapfs::imap
