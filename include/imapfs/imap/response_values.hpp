#pragma once
// Values inside responses: status text with its code, flags, INTERNALDATE, UID sets, STATUS items, mailbox names.
//
// Tolerant: a malformed value is absent, never an error; only reading on (literals, long lists) can fail. Counts are bounded:
// what exceeds a bound is an error of scope session, since leaving it out would be a lie. Pure functions over the reader's line.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/imap/response_reader.hpp"
#include "imapfs/imap/server_traits.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::imap {

inline constexpr std::size_t max_mailbox_name = 4096;

/// "[CODE data] text" after OK, NO, BAD or BYE.
[[nodiscard]] Answer parse_status_text(Answer::Kind kind, std::string_view text);

/// " 5-Jan-2026 10:00:00 +0100": nothing if it is no date. A missing zone is UTC.
[[nodiscard]] std::optional<UnixTime> parse_internal_date(std::string_view text);
/// " 5-Jan-2026 09:00:00 +0000": the date-time of RFC 9051 §9, in UTC. Nothing for a year that has not four digits.
[[nodiscard]] std::optional<std::string> format_internal_date(UnixTime time);

/// Whether it can be sent as an atom, which is what a keyword must be (RFC 9051 §9).
[[nodiscard]] bool is_atom(std::string_view text);

/// "(\Seen $Forwarded)" at the reader's cursor, or nothing (and nothing consumed) if no list begins there.
[[nodiscard]] std::optional<FlagSet> parse_flag_list(ResponseReader& reader);
/// The same in the text of a response code. `wildcard` is set where \* is in the list.
[[nodiscard]] FlagSet parse_flag_text(std::string_view text, bool& wildcard);

/// "1:5,7" at the cursor; parts that are no number or range are skipped.
Result<UidSet> parse_uid_set(ResponseReader& reader);
/// "1 2 3" (plain SEARCH) up to the line's end; "(MODSEQ n)" is skipped.
Result<UidSet> parse_uid_words(ResponseReader& reader);

/// "(MESSAGES 3 UIDNEXT 4)" at the cursor. HIGHESTMODSEQ 0 is none.
Result<MailboxStatus> parse_status_items(ResponseReader& reader);

/// A mailbox name at the cursor. Nothing for NIL, an empty or an overlong one.
Result<std::optional<std::string>> parse_mailbox_name(ResponseReader& reader);

[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);
/// A number that fits 32 bits and is not 0.
[[nodiscard]] std::optional<std::uint32_t> parse_nz_number(std::string_view text);

/// The words of a CAPABILITY or ENABLED response, in upper case; words no capability can be are left out.
[[nodiscard]] std::set<std::string> parse_capability_words(std::string_view text);

}  // namespace imapfs::imap
