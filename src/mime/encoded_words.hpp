#pragma once
// RFC 2047 encoded words. Pure functions, any thread after initialise_mime().

#include <optional>
#include <string>
#include <string_view>

namespace imapfs::mime {

/// Adds the padding that base64 words lack: GMime drops the characters of an incomplete last group. Words that together
/// hold one split text (RFC 2047 forbids it, but GMime joins them) stay as they are.
[[nodiscard]] std::string with_padding(std::string line);

/// Decodes the encoded words of an unstructured field by GMime, which handles everything that mail holds. `line` comes
/// from unfolded(); the result may be any text.
[[nodiscard]] std::string decode_words(const std::string& line);

/// Decodes what nearly all mail holds, several times as fast: printable ASCII with well-formed encoded words in UTF-8,
/// ISO-8859-1 or US-ASCII that stand alone between spaces. Returns nothing for other lines: decode_words() does those.
[[nodiscard]] std::optional<std::string> decode_usual_words(std::string_view line);

}  // namespace imapfs::mime
