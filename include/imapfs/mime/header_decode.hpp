#pragma once
// Header fields of mail as text: unfolding, RFC 2047, broken charsets, addresses. All of GMime's header parsing is
// behind this unit and mime/. Input is hostile: any bytes, any length; output is always valid UTF-8 in NFC. Bounded:
// fields over 64 KiB are cut before decoding. Thread-safe after initialise_mime().

#include <optional>
#include <string>
#include <string_view>

#include "imapfs/model/types.hpp"

namespace imapfs::mime {

/// Initialises GMime; call once before any other function of this layer, from any thread (idempotent).
void initialise_mime();

/// Valid UTF-8 in NFC from any bytes: UTF-8 where valid, else Windows-1252.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

/// A header block of which every field is valid UTF-8: text that says nothing of its charset is read in that of the
/// block's Content-Type, else by a guess, else as Windows-1252. The view is into `storage`, or the block as it is.
[[nodiscard]] std::string_view header_in_utf8(std::string_view header_block, std::string& storage);
/// Whether it is that already, and needs no Content-Type to be read.
[[nodiscard]] bool is_header_readable(std::string_view header_block);

/// The value of an unstructured field (Subject): unfolded, encoded words decoded, raw 8-bit guessed, trimmed.
[[nodiscard]] std::string decode_text(std::string_view raw_value);

/// The first mailbox's address of From, To, … ("anna@example.org"); the display name if there is no address; empty if
/// there is neither. Groups are entered.
[[nodiscard]] std::string first_address(std::string_view raw_value);

/// All addresses for people to read: `Anna Müller <anna@example.org>, bob@example.org`.
[[nodiscard]] std::string decode_addresses(std::string_view raw_value);

/// The Date field as Unix time; nothing where it cannot be parsed, or meant (model/dates.hpp).
[[nodiscard]] std::optional<UnixTime> parse_date(std::string_view raw_value);

/// The raw value of the first field called `name` (any case) in a header block (CRLF or LF lines, folded lines
/// included without the final line end); nothing if absent.
[[nodiscard]] std::optional<std::string_view> find_field(std::string_view header_block, std::string_view name);

/// What a listing fetches, as find_field() gives it but in one pass: views into the block, empty where absent.
struct ListedFields {
  std::string_view from;
  std::string_view to;
  std::string_view subject;
  std::string_view date;
  std::string_view message_id;
};
[[nodiscard]] ListedFields listed_fields(std::string_view header_block);

/// The four fields a listing fetches (DATE FROM SUBJECT MESSAGE-ID), decoded.
[[nodiscard]] MessageHeaders decode_listing_headers(std::string_view header_block);

}  // namespace imapfs::mime
