#pragma once
// Changes of messages.
//
// Offline: EHOSTUNREACH. What rights forbid: EACCES, EROFS or EPERM before anything is journalled. Once accepted, the
// effect shows at once: the source is not listed any more (find_message() by UID still has it), nor is what is
// replaced. A change that is refused later takes its effect back, as news. Changes of one message are carried out in
// the order given; different messages in any order, many in one command.
//
// Threads and completions: as in account.hpp.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::sync {

using store::ChangeId;
using store::StagedId;

/// The message a change is about: where it is, or, while an earlier change is still bringing it, what that one will
/// have brought.
struct ChangeSource {
  MessageLocation message;
  ChangeId brought_by;  ///< not 0: counts instead of `message`
};

/// Where a change has brought a message. Uid 0: the server did not tell, and it could not be found.
struct Arrival {
  MessageLocation message;
  std::string file_name;
};

/// What becomes of a change. `accepted` is called exactly once: when the change is in the journal, or with -o sync when
/// the server has carried it out. `finished` is called exactly once after that, if it was accepted: the server has
/// carried it out, or refused it for good. Without one nobody hears of it but the log and `.imapfs/events`.
struct ChangeReply {
  Completion<ChangeId> accepted;
  Completion<Arrival> finished;
};

/// A message that is to come to a mailbox under `file_name`, in place of `replaces` (uid 0: of none).
struct ArrivalTarget {
  MailboxId mailbox;
  std::string file_name;
  MessageLocation replaces;
};

/// A staged file to be appended. Its row and bytes are in the journal's staging directory; `canonical_size` is its
/// length with CRLF line ends.
struct Upload {
  StagedId staged;
  ArrivalTarget target;
  FlagSet flags;
  std::optional<UnixTime> internal_date;
  std::uint64_t canonical_size = 0;
  std::string message_id;
};

/// A move, copy or append that was accepted, by this process or an earlier one, and has not ended.
struct PendingArrival {
  ChangeId change;
  ArrivalTarget target;
  MessageMeta meta;        ///< size, date and flags; uid 0
  MessageLocation source;  ///< where its bytes can be read meanwhile; uid 0: staged
  StagedId staged;
};

class MessageChanger {
 public:
  virtual ~MessageChanger() = default;

  /// The largest message the server takes, if it says so.
  [[nodiscard]] virtual std::optional<std::uint64_t> append_limit() const = 0;
  /// Appends and waits for the server's word, whatever -o sync says. `staged` is gone from the journal on success, and
  /// in state refused or open, as it was before, on an Error. The name is kept.
  virtual void upload(const Upload& upload, Completion<Arrival> done) = 0;
  virtual void copy(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) = 0;
  virtual void move(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) = 0;
  /// By the policy on-delete=.
  virtual void remove(const ChangeSource& source, ChangeReply reply) = 0;
  /// A message flagged \Deleted, for good. EOPNOTSUPP without UIDPLUS.
  virtual void expunge(const ChangeSource& source, ChangeReply reply) = 0;
  /// Takes \Deleted away and gives it `file_name` (empty: the one it had).
  virtual void restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply) = 0;
  /// Waits for the server. Flags that are not permanent here: EPERM.
  virtual void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) = 0;
  /// A name instead of the template's; quiet, because the kernel has made the change itself. `replaces` (uid 0: none)
  /// is removed by the policy.
  virtual void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                         Completion<void> done) = 0;
  /// Completes when every change accepted before this call has ended (of one mailbox, or 0: of all), with the first
  /// Error that nobody was told of since the last drain(); and with EHOSTUNREACH as soon as there is no connection.
  virtual void drain(MailboxId mailbox, Completion<void> done) = 0;
  [[nodiscard]] virtual std::vector<PendingArrival> pending_arrivals() const = 0;
  /// Calls `finished` when the change ends (at once with ENOENT if it has): for those found by pending_arrivals().
  virtual void await_change(ChangeId change, Completion<Arrival> finished) = 0;
};

}  // namespace imapfs::sync
