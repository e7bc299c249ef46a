#pragma once
// Characters as mail and names see them: validity, normalisation, and which ones may stand in a name. Pure functions,
// any thread. Every string that is handed back is valid UTF-8 without NUL.

#include <cstddef>
#include <string>
#include <string_view>

namespace imapfs::mime {

[[nodiscard]] bool is_ascii(std::string_view text);

/// Length in bytes of the valid UTF-8 sequence `text` starts with; 0 if it starts with none. NUL counts as valid.
[[nodiscard]] std::size_t sequence_length(std::string_view text);

/// Whether `text` is valid UTF-8 throughout.
[[nodiscard]] bool is_valid_utf8(std::string_view text);

/// The code point at the start of `text`, which must be valid UTF-8 and not empty.
[[nodiscard]] char32_t code_point(std::string_view text);

/// At most `limit` bytes from the start of valid UTF-8, cut between characters and not before a combining mark that
/// belongs to the last one (unless nothing else were left).
[[nodiscard]] std::string_view cut_to(std::string_view text, std::size_t limit);

/// Valid UTF-8 from any bytes: valid sequences as they are, other bytes as Windows-1252, NUL as U+FFFD. Of more than 30
/// combining marks in a row the rest is dropped (the limit of Unicode's Stream-Safe Text Format), because normalising
/// takes time in the square of their number.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

/// NFC of valid UTF-8 that came from valid_utf8().
[[nodiscard]] std::string to_nfc(std::string text);

/// Characters that no name may hold in the clear: controls, line and paragraph separators, format characters (bidi
/// controls, zero-width, tags), other characters without a shape, noncharacters.
[[nodiscard]] bool is_unsafe(char32_t character);

/// Letters, digits and punctuation that most text beyond ASCII is made of, known by their range, so that nobody needs
/// to be asked about them: neither unsafe nor blank nor combining, and untouched by normalisation whatever stands
/// beside them.
[[nodiscard]] bool is_usual(char32_t character);

/// Whether `text` is valid UTF-8 of printable ASCII and is_usual() characters only: what shown() and to_utf8() hand
/// back as it is.
[[nodiscard]] bool is_usual_text(std::string_view text);

/// Space separators and characters that look like one.
[[nodiscard]] bool is_blank(char32_t character);

/// Combines with the character before it: marks, and the Hangul vowels and finals that normalisation joins.
[[nodiscard]] bool is_combining(char32_t character);

}  // namespace imapfs::mime
