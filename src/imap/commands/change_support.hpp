#pragma once
// Shared by the commands that change something: Errors of an unknown outcome, UID sets cut to command lines of
// reasonable length, and the codes of UIDPLUS.
//
// Pure functions and values; no thread affinity. The request bounds the memory, whatever the server claims.

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

/// The Error of a change that was sent and not answered with OK. After a lost connection it has Retry::later, because
/// only a look at the server tells whether the change has happened. A refusal stays as it is.
[[nodiscard]] Error outcome_of_change(Error error, std::string_view command);

/// The same for a connection that was lost before anything was sent.
[[nodiscard]] Error not_again_by_itself(Error error);

/// Cuts `uids`, in ascending order, into sets with at most `max_bytes` bytes of text and `max_messages` UIDs each.
[[nodiscard]] std::vector<UidSet> split_uid_set(const UidSet& uids, std::size_t max_bytes, std::uint64_t max_messages);

/// Collects the COPYUID codes of one command (RFC 4315 §3). The request bounds it, whatever the server claims.
class CopyUidCollector {
 public:
  explicit CopyUidCollector(const UidSet& requested) : requested_(requested) {}

  /// "38505 304,319:320 3956:3958".
  void take(std::string_view code_data);
  /// Nothing if the server told nothing, or something impossible.
  [[nodiscard]] std::optional<CopiedMessages> result();

 private:
  bool add(std::string_view code_data);

  const UidSet& requested_;
  CopiedMessages copied_;
  bool nonsense_ = false;
};

/// While it lives, the transport's silence watch knows that the command changes something.
class ChangeUnderWay {
 public:
  explicit ChangeUnderWay(Transport& transport) : transport_(transport) { transport_.set_changing(true); }
  ~ChangeUnderWay() { transport_.set_changing(false); }
  ChangeUnderWay(const ChangeUnderWay&) = delete;
  ChangeUnderWay& operator=(const ChangeUnderWay&) = delete;

 private:
  Transport& transport_;
};

/// Ends a command with an Error when the server sends more than there can be news of a mailbox with `messages`
/// messages. An endless stream would otherwise block the caller until the command's deadline.
[[nodiscard]] UntaggedHandler bounded_news(UntaggedHandler handler, std::uint64_t messages);

/// Parses "38505 3955" of APPENDUID; empty if it is nonsense.
[[nodiscard]] AppendedMessage parse_append_uid(std::string_view code_data);

}  // namespace imapfs::imap
