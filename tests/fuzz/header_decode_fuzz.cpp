// Any bytes as header fields: what comes back is valid UTF-8 in NFC, on one line, without controls, and not longer than
// bounds allow.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imapfs/mime/header_decode.hpp"

namespace {

using namespace imapfs::mime;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Strict UTF-8 by the table of RFC 3629 §4, written here a second time so that the code under test does not judge
/// itself.
bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t index) {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0u;
  };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    const std::size_t tail = lead < 0x80                   ? 0
                             : lead >= 0xc2 && lead < 0xe0 ? 1
                             : (lead & 0xf0) == 0xe0       ? 2
                             : lead >= 0xf0 && lead < 0xf5 ? 3
                                                           : 9;
    if (tail == 9) return false;
    for (std::size_t k = 1; k <= tail; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
    }
    if ((lead == 0xe0 && byte(i + 1) < 0xa0) || (lead == 0xed && byte(i + 1) > 0x9f)) return false;
    if ((lead == 0xf0 && byte(i + 1) < 0x90) || (lead == 0xf4 && byte(i + 1) > 0x8f)) return false;
    i += tail + 1;
  }
  return true;
}

void check_line(const std::string& text) {
  require(is_utf8(text));
  require(to_utf8(text) == text);
  require(std::none_of(text.begin(), text.end(),
                       [](char letter) { return (letter >= 0 && letter < ' ') || letter == 0x7f; }));
  require(text.find("\u0085") == std::string::npos && text.find("\u2028") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string utf8 = to_utf8(input);
  require(is_utf8(utf8) && to_utf8(utf8) == utf8 && utf8.find('\0') == std::string::npos);
  check_line(decode_text(input));
  check_line(first_address(input));
  check_line(decode_addresses(input));
  static_cast<void>(parse_date(input));
  const auto headers = decode_listing_headers(input);
  check_line(headers.from);
  check_line(headers.subject);
  check_line(headers.date);
  check_line(headers.message_id);
  if (const auto field = find_field(input, "Subject")) {
    require(field->data() >= input.data() && field->data() + field->size() <= input.data() + input.size());
  }
  return 0;
}
