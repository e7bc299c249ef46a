#pragma once
// RFC 2047 encoded words. Pure functions, any thread after initialise_mime().

#include <optional>
#include <string>
#include <string_view>

namespace imapfs::mime {

/// The encoded words of an unstructured field decoded by GMime, which is right about everything that mail holds. `line`
/// comes from unfolded(); the result may be any text.
[[nodiscard]] std::string decode_words(const std::string& line);

/// The same, several times as fast, for what nearly all mail holds: printable ASCII, and among it well-formed encoded
/// words in UTF-8, ISO-8859-1 or US-ASCII that stand alone between spaces. Nothing for any other line: it is GMime's.
[[nodiscard]] std::optional<std::string> decode_usual_words(std::string_view line);

}  // namespace imapfs::mime
