#pragma once
// Two ways to find the first address of a field; where both answer, they agree. Pure functions, any thread. `line`
// comes from unfolded().

#include <string>
#include <string_view>

namespace imapfs::mime {

/// Answers for every field: by GMime, and by hand if GMime refuses the field.
[[nodiscard]] std::string parsed_address(const std::string& line);

/// Answers without GMime's allocations for the forms that most mail has, in ASCII: "anna@example.org", "Any Atoms
/// <anna@example.org>" and "\"Arnold, Anna\" <anna@example.org>"; the name may hold encoded words. Else empty.
[[nodiscard]] std::string_view plain_address(std::string_view line);

}  // namespace imapfs::mime
