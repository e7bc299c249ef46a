#pragma once
// Header fields of mail as text: unfolding, RFC 2047, broken charsets, addresses. Only this unit and src/mime use
// GMime's header parsing. Input is hostile: any bytes, any length; output is always valid UTF-8 in NFC. Fields over 64
// KiB are cut before decoding. Thread-safe after initialise_mime().

#include <optional>
#include <string>
#include <string_view>

#include "imapfs/model/types.hpp"

namespace imapfs::mime {

/// Initialises GMime; call once before any other function of this layer, from any thread (idempotent).
void initialise_mime();

/// Valid UTF-8 in NFC from any bytes: UTF-8 where valid, else Windows-1252.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

/// Makes every field of a header block valid UTF-8. Text without a charset of its own is read in the charset of the
/// block's Content-Type, else in a guessed one, else as Windows-1252. The result is the block itself, or a view into
/// `storage`.
[[nodiscard]] std::string_view header_in_utf8(std::string_view header_block, std::string& storage);
/// Whether the block is valid UTF-8 already, so that its Content-Type is not needed.
[[nodiscard]] bool is_header_readable(std::string_view header_block);

/// The value of an unstructured field (Subject): unfolded, encoded words decoded, raw 8-bit guessed, trimmed.
[[nodiscard]] std::string decode_text(std::string_view raw_value);

/// The address of the first mailbox of From, To, … ("anna@example.org"); its display name if there is no address; empty
/// if there is neither. Groups are searched too.
[[nodiscard]] std::string first_address(std::string_view raw_value);

/// All addresses for people to read: `Anna Müller <anna@example.org>, bob@example.org`.
[[nodiscard]] std::string decode_addresses(std::string_view raw_value);

/// The Date field as Unix time; nothing if it cannot be parsed or is a mistake (model/dates.hpp).
[[nodiscard]] std::optional<UnixTime> parse_date(std::string_view raw_value);

/// The raw value of the first field called `name` (any case) in a header block with CRLF or LF lines. Folded lines are
/// included, the final line end is not. Nothing if there is no such field.
[[nodiscard]] std::optional<std::string_view> find_field(std::string_view header_block, std::string_view name);

/// The fields that a listing fetches, as find_field() gives them but in one pass: views into the block, empty if
/// absent.
struct ListedFields {
  std::string_view from;
  std::string_view to;
  std::string_view subject;
  std::string_view date;
  std::string_view message_id;
};
[[nodiscard]] ListedFields listed_fields(std::string_view header_block);

/// The fields of MessageHeaders (DATE FROM SUBJECT MESSAGE-ID), decoded.
[[nodiscard]] MessageHeaders decode_listing_headers(std::string_view header_block);

}  // namespace imapfs::mime
