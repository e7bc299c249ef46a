#pragma once
// Values inside responses: status text with its code, flags, INTERNALDATE, UID sets, STATUS items, mailbox names.
//
// Tolerant: a malformed value is absent, never an error; only reading more (literals, long lists) can fail. Everything
// that a server can make grow is bounded. Too many UIDs or rows are an error of scope session, since a cut list would
// be wrong; too many keywords and capabilities are left out. Pure functions over the reader's line.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/response_reader.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::imap {

inline constexpr std::size_t max_mailbox_name = 4096;

/// Parses "[CODE data] text" after OK, NO, BAD or BYE.
[[nodiscard]] Answer parse_status_text(Answer::Kind kind, std::string_view text);

/// Parses " 5-Jan-2026 10:00:00 +0100"; without a zone it is UTC. Nothing if it is no date or an implausible one
/// (model/dates.hpp).
[[nodiscard]] std::optional<UnixTime> parse_internal_date(std::string_view text);
/// " 5-Jan-2026 09:00:00 +0000": the date-time of RFC 9051 §9, in UTC. Nothing if the year does not have four digits.
[[nodiscard]] std::optional<std::string> format_internal_date(UnixTime time);

/// Whether `text` can be sent as an atom, as a keyword must be (RFC 9051 §9).
[[nodiscard]] bool is_atom(std::string_view text);

/// Parses "(\Seen $Forwarded)" at the reader's cursor. If no list begins there, returns and consumes nothing.
[[nodiscard]] std::optional<FlagSet> parse_flag_list(ResponseReader& reader);
/// Parses a list in the text of a response code. Sets `wildcard` if it contains \*.
[[nodiscard]] FlagSet parse_flag_text(std::string_view text, bool& wildcard);

/// Collects the UIDs of an answer, in any order and from any number of responses, bounded in bytes.
class UidCollector {
 public:
  /// False if there are too many.
  [[nodiscard]] bool add(std::uint32_t first, std::uint32_t last);
  /// Returns the collected UIDs as a set and empties the collector.
  [[nodiscard]] UidSet take();

 private:
  std::vector<UidSet::Range> ranges_;
};

/// Parses "1:5,7" at the cursor; skips parts that are no number or range.
Result<void> parse_uid_set(ResponseReader& reader, UidCollector& uids);
Result<UidSet> parse_uid_set(ResponseReader& reader);
/// Parses "1 2 3" (plain SEARCH) up to the end of the line; skips "(MODSEQ n)".
Result<void> parse_uid_words(ResponseReader& reader, UidCollector& uids);

/// Parses "(MESSAGES 3 UIDNEXT 4)" at the cursor. HIGHESTMODSEQ 0 counts as absent.
Result<MailboxStatus> parse_status_items(ResponseReader& reader);

/// Parses a mailbox name at the cursor. Nothing for NIL, an empty name or one that is too long.
Result<std::optional<std::string>> parse_mailbox_name(ResponseReader& reader);
/// Parses a name at the end of a row, perhaps followed by the extended data of RFC 5258 (LIST). A malformed name ("Sent
/// Items" without quotes, "a"b" with one too many) includes everything up to there.
Result<std::optional<std::string>> parse_last_name(ResponseReader& reader);
/// Parses a name in front of a list in parentheses (STATUS, QUOTA) or of one more word (MYRIGHTS).
enum class Following : std::uint8_t { list, word };
Result<std::optional<std::string>> parse_name_before(ResponseReader& reader, Following following);

[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
/// A number of at most 32 bits that is not 0.
[[nodiscard]] std::optional<std::uint32_t> parse_nz_number(std::string_view text);

/// The words of a CAPABILITY or ENABLED response, in upper case; leaves out words that cannot be capabilities.
[[nodiscard]] std::set<std::string> parse_capability_words(std::string_view text);

}  // namespace imapfs::imap
