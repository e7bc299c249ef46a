#pragma once
// Steps shared by the decoders of header fields. Pure functions, any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace imapfs::mime {

/// Fields longer than this are cut before decoding.
inline constexpr std::size_t max_field_bytes = 64 * 1024;

/// Removes white space, line ends and NUL at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

/// The field on one line of valid UTF-8, ready for GMime (which takes C strings): cut to max_field_bytes, with a space
/// for every fold and stray line end.
[[nodiscard]] std::string unfolded(std::string_view raw_value);

/// Makes text decoded by GMime fit to show: valid UTF-8 in NFC on one line, controls as U+FFFD, trimmed.
[[nodiscard]] std::string shown(std::string_view decoded);

}  // namespace imapfs::mime
