#pragma once
// Decides what libetpan's parser may read; EtpanLink says why. Pure functions.

#include <string>
#include <string_view>

namespace imapfs::imap {

inline constexpr std::size_t max_guarded_response = 64 * 1024;

/// Whether a whole untagged response (with its literals, without the final CRLF) cannot harm libetpan: at most
/// max_guarded_response bytes, no NUL, nesting at most 16, every number within 32 bits, quotes closed.
[[nodiscard]] bool harmless(std::string_view response);

}  // namespace imapfs::imap
