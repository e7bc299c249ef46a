// Any bytes as mailbox names, path components, header fields and templates: the guarantees of mime/names.hpp hold.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"

namespace {

using namespace imapfs;
using namespace imapfs::mime;

void require(bool holds) {
  if (!holds) std::abort();
}

bool holds_any(std::string_view text, std::initializer_list<std::string_view> sequences) {
  return std::any_of(sequences.begin(), sequences.end(),
                     [&](std::string_view sequence) { return text.find(sequence) != std::string_view::npos; });
}

void require_no_dangerous_bytes(std::string_view component) {
  require(!component.empty() && component.front() != '.');
  require(std::none_of(component.begin(), component.end(),
                       [](char letter) { return (letter >= 0 && letter < ' ') || letter == 0x7f || letter == '/'; }));
  require(!holds_any(component, {"\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a",    "\u202b", "\u202c",
                                 "\u202d", "\u202e", "\u2028", "\u2029", "\u2060", "\u2066",    "\u2067", "\u2068",
                                 "\u2069", "\u061c", "\ufeff", "\u0085", "\u009b", "\U000e0041"}));
}

void check_message_name(const NameTemplate& names, Uid uid, std::string_view name) {
  require_no_dangerous_bytes(name);
  require(name.size() <= max_file_name_bytes && name.front() != '-');
  require(name.find_first_of(" *?[]'\"`\\$&|;<>(){}!~#") == std::string_view::npos);
  require(!holds_any(name, {"\u00a0", "\u3000", "\ufffd"}));
  require(to_utf8(name) == name);
  const auto uids = names.possible_uids(name);
  require(uid.value == 0 || std::find(uids.begin(), uids.end(), uid) != uids.end());
}

void check_mailbox_name(std::string_view bytes) {
  const std::string component = component_from_mailbox_level(bytes);
  require_no_dangerous_bytes(component);
  const auto level = mailbox_level_from_component(component);
  require(level.has_value() && *level == bytes);
  if (const auto back = mailbox_level_from_component(bytes)) require(component_from_mailbox_level(*back) == bytes);

  const auto decoded = decode_mailbox_name(bytes);
  const auto wire = encode_mailbox_name(decoded.utf8);
  if (decoded.exact) require(wire.has_value() && *wire == bytes);
  if (!decoded.exact) require(decoded.utf8 == bytes);
  if (const auto encoded = encode_mailbox_name(bytes)) {
    const auto again = decode_mailbox_name(*encoded);
    require(again.exact && again.utf8 == bytes);
    require(std::all_of(encoded->begin(), encoded->end(), [](char letter) { return letter >= ' ' && letter < 0x7f; }));
  }
}

}  // namespace

/// Four bytes of UID, then fields separated by NUL: mailbox name, template, From, subject, message id.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::string_view rest(input);
  std::uint32_t number = 0;
  for (; !rest.empty() && rest.size() > size - std::min<std::size_t>(size, 4); rest.remove_prefix(1)) {
    number = number << 8 | static_cast<unsigned char>(rest.front());
  }
  const auto next = [&rest] {
    const auto field = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    return field;
  };
  check_mailbox_name(rest);
  check_mailbox_name(next());
  const auto parsed = NameTemplate::parse(next());
  const NameFields fields{Uid{number}, static_cast<UnixTime>(number) * 1000003 - 4000000000, next(), input, rest,
                          input};
  check_message_name(NameTemplate(), fields.uid, NameTemplate().render(fields));
  if (parsed) check_message_name(*parsed, fields.uid, parsed->render(fields));
  static_cast<void>(NameTemplate().possible_uids(input));
  const std::string component = safe_component(input, number % 300, "x");
  require(component.size() <= std::max<std::size_t>(number % 300, 1));
  return 0;
}
