#include "imap/login/etpan_guard.hpp"

#include <cstdint>
#include <limits>

#include "imap/wire/response_reader.hpp"

namespace imapfs::imap {
namespace {

constexpr int max_nesting = 16;

}  // namespace

bool harmless(std::string_view response) {
  if (response.size() > max_guarded_response) return false;
  int depth = 0;
  bool inside = false;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < response.size(); ++i) {
    const char c = response[i];
    if (c == '\0') return false;
    number = is_digit(c) && !inside ? number * 10 + static_cast<std::uint64_t>(c - '0') : 0;
    if (number > std::numeric_limits<std::uint32_t>::max()) return false;
    if (inside && c == '\\') {
      ++i;
      continue;
    }
    if (c == '"') inside = !inside;
    if (inside) continue;
    if (c == '(' && ++depth > max_nesting) return false;
    if (c == ')' && --depth < 0) return false;
  }
  return !inside && depth == 0;
}

}  // namespace imapfs::imap
