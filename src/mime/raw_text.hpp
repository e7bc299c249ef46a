#pragma once
// Text in header fields that says nothing of its charset: raw 8-bit bytes, and the escape sequences of ISO-2022. Pure
// functions, any thread.

#include <string>
#include <string_view>

namespace imapfs::mime {

/// Whether `text` can be read as it is: valid UTF-8 without escape sequences.
[[nodiscard]] bool is_readable(std::string_view text);

/// Valid UTF-8 of any bytes: UTF-8 where it is, or is but for some damage; else in `charset`, if there is
/// one and they fit; else by a guess, for which Western European text is too short of evidence; else Windows-1252.
[[nodiscard]] std::string read_raw_text(std::string_view octets, std::string_view charset);

/// The parameter "charset" of a Content-Type field's value; empty if there is none.
[[nodiscard]] std::string_view charset_parameter(std::string_view content_type);

}  // namespace imapfs::mime
