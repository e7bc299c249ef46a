#pragma once
// Values inside responses: status text with its code, flags, INTERNALDATE, UID sets, STATUS items, mailbox names.
//
// Tolerant: a malformed value is absent, never an error; only reading on (literals, long lists) can fail. What a server
// can make grow is bounded in bytes: UIDs and rows beyond it are an error of scope session, since leaving them out
// would be a lie; keywords and capabilities beyond it are left out. Pure functions over the reader's line.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imap/wire/response_reader.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::imap {

inline constexpr std::size_t max_mailbox_name = 4096;

/// "[CODE data] text" after OK, NO, BAD or BYE.
[[nodiscard]] Answer parse_status_text(Answer::Kind kind, std::string_view text);

/// " 5-Jan-2026 10:00:00 +0100": nothing if it is no date, or none that can be meant (model/dates.hpp). A
/// missing zone is UTC.
[[nodiscard]] std::optional<UnixTime> parse_internal_date(std::string_view text);
/// " 5-Jan-2026 09:00:00 +0000": the date-time of RFC 9051 §9, in UTC. Nothing for a year that has not four digits.
[[nodiscard]] std::optional<std::string> format_internal_date(UnixTime time);

/// Whether it can be sent as an atom, which is what a keyword must be (RFC 9051 §9).
[[nodiscard]] bool is_atom(std::string_view text);

/// "(\Seen $Forwarded)" at the reader's cursor, or nothing (and nothing consumed) if no list begins there.
[[nodiscard]] std::optional<FlagSet> parse_flag_list(ResponseReader& reader);
/// The same in the text of a response code. `wildcard` is set where \* is in the list.
[[nodiscard]] FlagSet parse_flag_text(std::string_view text, bool& wildcard);

/// UIDs as they come in one answer, in whatever order and however many responses: bounded in bytes, and a set at the
/// end.
class UidCollector {
 public:
  /// False if there are too many.
  [[nodiscard]] bool add(std::uint32_t first, std::uint32_t last);
  /// What was added, after which there is nothing.
  [[nodiscard]] UidSet take();

 private:
  std::vector<UidSet::Range> ranges_;
};

/// "1:5,7" at the cursor; parts that are no number or range are skipped.
Result<void> parse_uid_set(ResponseReader& reader, UidCollector& uids);
Result<UidSet> parse_uid_set(ResponseReader& reader);
/// "1 2 3" (plain SEARCH) up to the line's end; "(MODSEQ n)" is skipped.
Result<void> parse_uid_words(ResponseReader& reader, UidCollector& uids);

/// "(MESSAGES 3 UIDNEXT 4)" at the cursor. HIGHESTMODSEQ 0 is none.
Result<MailboxStatus> parse_status_items(ResponseReader& reader);

/// A mailbox name at the cursor. Nothing for NIL, an empty or an overlong one.
Result<std::optional<std::string>> parse_mailbox_name(ResponseReader& reader);
/// The same where it ends a row, perhaps followed by the extended data of RFC 5258 (LIST). Of a name that is not
/// written as one ("Sent Items" without quotes, "a"b" with one too many) all up to there belongs to it.
Result<std::optional<std::string>> parse_last_name(ResponseReader& reader);
/// The same before a list in parentheses (STATUS, QUOTA) or before one more word (MYRIGHTS).
enum class Following : std::uint8_t { list, word };
Result<std::optional<std::string>> parse_name_before(ResponseReader& reader, Following following);

[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
/// A number that fits 32 bits and is not 0.
[[nodiscard]] std::optional<std::uint32_t> parse_nz_number(std::string_view text);

/// The words of a CAPABILITY or ENABLED response, in upper case; words no capability can be are left out.
[[nodiscard]] std::set<std::string> parse_capability_words(std::string_view text);

}  // namespace imapfs::imap
