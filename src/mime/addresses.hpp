#pragma once
// The two ways to the first address of a field, which agree wherever both answer. Pure functions, any thread. `line`
// comes from unfolded().

#include <string>
#include <string_view>

namespace imapfs::mime {

/// By GMime, and by hand what it refuses: first_address() of anything.
[[nodiscard]] std::string parsed_address(const std::string& line);

/// "anna@example.org", "Any Atoms <anna@example.org>" and "\"Arnold, Anna\" <anna@example.org>" in ASCII, which most
/// mail has, without GMime's allocations; the name may hold encoded words. Nothing for anything else.
[[nodiscard]] std::string_view plain_address(std::string_view line);

}  // namespace imapfs::mime
