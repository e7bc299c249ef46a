#pragma once
// RFC 2047 encoded words. Pure functions, any thread after initialise_mime().

#include <optional>
#include <string>
#include <string_view>

namespace imapfs::mime {

/// `line` with the padding that words of base64 should have: GMime drops what stands in a last group that is not full.
/// Words among which one text was split (which RFC 2047 forbids, and GMime puts together) are left as they are.
[[nodiscard]] std::string with_padding(std::string line);

/// The encoded words of an unstructured field decoded by GMime, which is right about everything that mail holds. `line`
/// comes from unfolded(); the result may be any text.
[[nodiscard]] std::string decode_words(const std::string& line);

/// The same, several times as fast, for what nearly all mail holds: printable ASCII, and among it well-formed encoded
/// words in UTF-8, ISO-8859-1 or US-ASCII that stand alone between spaces. Nothing for any other line: it is GMime's.
[[nodiscard]] std::optional<std::string> decode_usual_words(std::string_view line);

}  // namespace imapfs::mime
