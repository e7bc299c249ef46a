// Mailbox names between wire, UTF-8 and path component. glibc's iconv does modified UTF-7. Every decoded name is
// encoded again as a check, because two different wire names must never become one name.

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <optional>

#include "imapfs/mime/names.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

/// One direction of iconv. A descriptor holds shift state, so each thread has its own.
class Converter {
 public:
  Converter(const char* to, const char* from) : descriptor_(::iconv_open(to, from)) {}
  ~Converter() {
    if (is_open()) ::iconv_close(descriptor_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  /// Nothing if `input` is not valid, or if iconv does not know the charset.
  std::optional<std::string> convert(std::string_view input) {
    if (!is_open()) return std::nullopt;
    ::iconv(descriptor_, nullptr, nullptr, nullptr, nullptr);
    // One byte becomes at most "&AAE-".
    std::string output(input.size() * 5 + 16, '\0');
    std::string source(input);
    char* in = source.data();
    std::size_t in_left = source.size();
    char* out = output.data();
    std::size_t out_left = output.size();
    if (::iconv(descriptor_, &in, &in_left, &out, &out_left) != 0 || in_left != 0) return std::nullopt;
    if (::iconv(descriptor_, nullptr, nullptr, &out, &out_left) != 0) return std::nullopt;
    output.resize(output.size() - out_left);
    return output;
  }

 private:
  bool is_open() const {
    // iconv_open() returns (iconv_t)-1 on failure.
    return reinterpret_cast<std::intptr_t>(descriptor_) != -1;
  }
  ::iconv_t descriptor_;
};

bool is_upper_hex(char letter) { return (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'F'); }

std::uint8_t hex_value(char letter) {
  return static_cast<std::uint8_t>(letter <= '9' ? letter - '0' : letter - 'A' + 10);
}

bool is_escape(std::string_view text) {
  return text.size() >= 3 && text[0] == '%' && is_upper_hex(text[1]) && is_upper_hex(text[2]);
}

void append_escaped(std::string& component, std::string_view bytes) {
  for (const char byte : bytes) component += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
}

/// The component of the empty level; no other level is written like this, because spaces are not escaped.
constexpr std::string_view empty_level_component = "%20";

}  // namespace

std::string component_from_mailbox_level(std::string_view level) {
  if (level.empty()) return std::string(empty_level_component);
  std::string component;
  component.reserve(level.size());
  for (std::string_view rest = level; !rest.empty();) {
    const std::size_t length = std::max<std::size_t>(sequence_length(rest), 1);
    const bool invalid = sequence_length(rest) == 0;
    const bool leading_dot = rest.front() == '.' && rest.size() == level.size();
    if (invalid || leading_dot || rest.front() == '/' || is_escape(rest) || is_unsafe(code_point(rest))) {
      append_escaped(component, rest.substr(0, length));
    } else {
      component += rest.substr(0, length);
    }
    rest.remove_prefix(length);
  }
  return component;
}

Result<std::string> mailbox_level_from_component(std::string_view component) {
  if (component == empty_level_component) return std::string();
  std::string level;
  for (std::string_view rest = component; !rest.empty();) {
    if (is_escape(rest)) {
      level += static_cast<char>(hex_value(rest[1]) << 4 | hex_value(rest[2]));
      rest.remove_prefix(3);
    } else {
      level += rest.front();
      rest.remove_prefix(1);
    }
  }
  // Accept only the spelling that component_from_mailbox_level() produces, so that a mailbox has one path.
  if (component.empty() || component_from_mailbox_level(level) != component) {
    return fail(EINVAL, "no mailbox can have this name");
  }
  return level;
}

DecodedName decode_mailbox_name(std::string_view wire) {
  thread_local Converter decoder("UTF-8", "UTF-7-IMAP");
  if (auto utf8 = decoder.convert(wire)) {
    const auto again = encode_mailbox_name(*utf8);
    if (again && *again == wire) return {std::move(*utf8), true};
  }
  return {std::string(wire), false};
}

Result<std::string> encode_mailbox_name(std::string_view utf8) {
  thread_local Converter encoder("UTF-7-IMAP", "UTF-8");
  // IMAP has no way to send a NUL (RFC 9051 §9, CHAR).
  if (utf8.find('\0') != std::string_view::npos) return fail(EINVAL, "mailbox name holds NUL");
  if (auto wire = encoder.convert(utf8)) return std::move(*wire);
  return fail(EINVAL, "mailbox name is not valid UTF-8");
}

}  // namespace imapfs::mime
