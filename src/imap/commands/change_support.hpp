#pragma once
// What the commands that change something share: Errors of an unknown outcome, UID sets cut to command lines of a sane
// length, and the codes of UIDPLUS.
//
// Pure functions and values; no thread affinity. Memory is bounded by what was asked for, whatever the server claims.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/response.hpp"
#include "imap/wire/transport.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/imap/session.hpp"

namespace imapfs::imap {

/// The Error of a change that was sent and not answered with OK. Where the connection was lost: Retry::later, since
/// only a look at the server tells whether it has happened. A refusal stays what it is.
[[nodiscard]] Error outcome_of_change(Error error, std::string_view command);

/// The same for a connection that was lost before anything was sent.
[[nodiscard]] Error not_again_by_itself(Error error);

/// `uids` in ascending order, as sets whose text has at most `max_bytes` bytes and which span at most `max_messages`
/// UIDs each.
[[nodiscard]] std::vector<UidSet> split_uid_set(const UidSet& uids, std::size_t max_bytes, std::uint64_t max_messages);

/// Adds up what the COPYUID codes of one command say (RFC 4315 §3). Bounded by the request whatever the server claims.
class CopyUidCollector {
 public:
  explicit CopyUidCollector(const UidSet& requested) : requested_(requested) {}

  /// "38505 304,319:320 3956:3958".
  void take(std::string_view code_data);
  /// Nothing if the server did not tell, or told what cannot be.
  [[nodiscard]] std::optional<CopiedMessages> result();

 private:
  bool add(std::string_view code_data);

  const UidSet& requested_;
  CopiedMessages copied_;
  bool nonsense_ = false;
};

/// As long as it lives, the transport's silence watch is told that the command changes something.
class ChangeUnderWay {
 public:
  explicit ChangeUnderWay(Transport& transport) : transport_(transport) { transport_.set_changing(true); }
  ~ChangeUnderWay() { transport_.set_changing(false); }
  ChangeUnderWay(const ChangeUnderWay&) = delete;
  ChangeUnderWay& operator=(const ChangeUnderWay&) = delete;

 private:
  Transport& transport_;
};

/// Ends a command with an Error when the server says more in between than there can be news of a mailbox with
/// `messages` messages: without end, it would hold whoever waits for the command's deadline.
[[nodiscard]] UntaggedHandler bounded_news(UntaggedHandler handler, std::uint64_t messages);

/// "38505 3955" of APPENDUID; nothing if it is nonsense.
[[nodiscard]] AppendedMessage parse_append_uid(std::string_view code_data);

}  // namespace imapfs::imap
