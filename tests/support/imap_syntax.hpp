#pragma once
// The little of IMAP's syntax that ImapServer needs. Pure functions of their arguments.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace imapfs::testing {

std::string in_upper_case(std::string text);

/// The values of a line: strings without their quotes; what stands in parentheses or brackets stays one value, with
/// them.
std::vector<std::string> imap_values(std::string_view text);
/// Those of "(a b (c))": a, b and (c).
std::vector<std::string> values_in_parentheses(const std::string& list);

/// As IMAP's quoted string.
std::string imap_string(const std::string& text);
/// "(\Seen work)"
std::string imap_list(const std::set<std::string>& words);

/// "1:5,7,9:*". As RFC 9051 §9 has it, "9:*" holds the highest number that there is, even where that is below 9.
class NumberSet {
 public:
  NumberSet(std::string_view text, std::uint32_t highest);
  [[nodiscard]] bool contains(std::uint32_t number) const;

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges_;
};

/// "3:4,9"; empty for none.
std::string set_text(const std::vector<std::uint32_t>& numbers);

/// Header fields of a message by name, "(FROM SUBJECT)", with the empty line that ends them.
std::string header_fields(const std::string& text, const std::string& names);
std::string header_of(const std::string& text);

}  // namespace imapfs::testing
