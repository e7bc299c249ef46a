#pragma once
// Text in header fields without a charset: raw 8-bit bytes, and escape sequences of ISO-2022. Pure functions, any
// thread.

#include <string>
#include <string_view>

namespace imapfs::mime {

/// Whether `text` needs no charset: valid UTF-8 without escape sequences.
[[nodiscard]] bool is_readable(std::string_view text);

/// Makes valid UTF-8 of any bytes. They are read as UTF-8 if they are UTF-8 or slightly damaged UTF-8; else in
/// `charset` if it is given and fits; else in a guessed charset; else as Windows-1252. Western European text is too
/// short of evidence for a guess and is not guessed.
[[nodiscard]] std::string read_raw_text(std::string_view octets, std::string_view charset);

/// The parameter "charset" of a Content-Type field's value; empty if there is none.
[[nodiscard]] std::string_view charset_parameter(std::string_view content_type);

}  // namespace imapfs::mime
