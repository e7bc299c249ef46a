#pragma once
// Characters of mail and names: validity, normalisation, and which ones may be in a name. Pure functions, any thread.
// Returned strings are valid UTF-8 without NUL.

#include <cstddef>
#include <string>
#include <string_view>

namespace imapfs::mime {

[[nodiscard]] bool is_ascii(std::string_view text);

/// Length in bytes of the valid UTF-8 sequence at the start of `text`; 0 if there is none. NUL counts as valid.
[[nodiscard]] std::size_t sequence_length(std::string_view text);

[[nodiscard]] bool is_valid_utf8(std::string_view text);

/// The code point at the start of `text`, which must be valid UTF-8 and not empty.
[[nodiscard]] char32_t code_point(std::string_view text);

/// At most `limit` bytes from the start of valid UTF-8, cut between characters, and not before a combining mark of the
/// last one (unless nothing else would be left).
[[nodiscard]] std::string_view cut_to(std::string_view text, std::size_t limit);

/// Makes valid UTF-8 of any bytes: valid sequences stay, other bytes are read as Windows-1252, NUL becomes U+FFFD.
/// Drops the rest of a run of more than 30 combining marks (the limit of Unicode's Stream-Safe Text Format), because
/// normalisation takes time quadratic in their number.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

/// NFC of text from valid_utf8().
[[nodiscard]] std::string to_nfc(std::string text);

/// Characters that no name may hold unescaped: controls, line and paragraph separators, format characters (bidi
/// controls, zero-width, tags), other invisible characters, noncharacters.
[[nodiscard]] bool is_unsafe(char32_t character);

/// Known by their range to be harmless, without asking a library: the letters, digits and punctuation of most text
/// beyond ASCII. They are not unsafe, blank or combining, and normalisation never changes them, whatever is beside
/// them.
[[nodiscard]] bool is_usual(char32_t character);

/// Whether `text` is valid UTF-8 of printable ASCII and is_usual() characters only. shown() and to_utf8() do not change
/// such text.
[[nodiscard]] bool is_usual_text(std::string_view text);

/// Space separators and characters that look like one.
[[nodiscard]] bool is_blank(char32_t character);

/// Whether it combines with the character before it: marks, and the Hangul vowels and finals that normalisation joins.
[[nodiscard]] bool is_combining(char32_t character);

}  // namespace imapfs::mime
