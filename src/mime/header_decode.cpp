#include "imapfs/mime/header_decode.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "imapfs/model/dates.hpp"
#include "mime/encoded_words.hpp"
#include "mime/field_text.hpp"
#include "mime/raw_text.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

constexpr std::string_view white_space = " \t\r\n\v\f";
constexpr std::size_t max_date_bytes = 256;

char to_lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter; }

/// Whether `line` is the first line of a field called `name`. Obsolete syntax allows white space before the colon (RFC
/// 5322 §4.5).
bool starts_field(std::string_view line, std::string_view name) {
  const bool same = line.size() > name.size() &&
                    std::equal(name.begin(), name.end(), line.begin(),
                               [](char left, char right) { return to_lower(left) == to_lower(right); });
  if (!same) return false;
  const auto after = line.find_first_not_of(" \t", name.size());
  return after != std::string_view::npos && line[after] == ':';
}

/// Length of the first line of `text` including its line end.
std::size_t line_length(std::string_view text) {
  const auto end = text.find('\n');
  return end == std::string_view::npos ? text.size() : end + 1;
}

bool is_folded(std::string_view rest) { return rest.starts_with(' ') || rest.starts_with('\t'); }

std::string_view without_line_end(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

/// Calls visit(first line, whole field with its folded lines) for each field until it returns false.
template <class Visit>
void visit_fields(std::string_view header_block, const Visit& visit) {
  while (!header_block.empty()) {
    const std::size_t first = line_length(header_block);
    if (without_line_end(header_block.substr(0, first)).empty()) return;
    std::size_t length = first;
    while (is_folded(header_block.substr(length))) length += line_length(header_block.substr(length));
    if (!visit(header_block.substr(0, first), header_block.substr(0, length))) return;
    header_block.remove_prefix(length);
  }
}

std::string_view value_of(std::string_view field, std::string_view name) {
  return without_line_end(field.substr(field.find(':', name.size()) + 1));
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view outer(" \t\r\n\v\f\0", 7);
  const auto first = text.find_first_not_of(outer);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(outer) - first + 1);
}

std::string unfolded(std::string_view raw_value) {
  raw_value = trimmed(raw_value.substr(0, max_field_bytes));
  std::string line;
  line.reserve(raw_value.size());
  const bool one_line = raw_value.find('\n') == std::string_view::npos &&
                        raw_value.find('\r') == std::string_view::npos;
  if (one_line) line = std::exchange(raw_value, {});
  while (!raw_value.empty()) {
    const auto end = std::min(raw_value.find_first_of("\r\n"), raw_value.size());
    line += raw_value.substr(0, end);
    raw_value.remove_prefix(end);
    if (raw_value.empty()) break;
    raw_value.remove_prefix(std::min(raw_value.find_first_not_of(white_space), raw_value.size()));
    line += ' ';
  }
  const bool plain = is_ascii(line) && line.find_first_of(std::string_view("\0\x1b", 2)) == std::string::npos;
  return plain ? line : read_raw_text(line, {});
}

std::string shown(std::string_view decoded) {
  decoded = trimmed(decoded);
  if (is_usual_text(decoded)) return std::string(decoded);
  const std::string text = to_utf8(decoded);
  std::string line;
  line.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = sequence_length(rest);
    const char32_t character = code_point(rest);
    const bool is_control = character < 0x20 || (character >= 0x7f && character < 0xa0);
    const bool is_line_end = character == 0x85 || character == 0x2028 || character == 0x2029;
    if (is_line_end || (character < 0x20 && is_blank(character))) {
      line += ' ';
    } else if (is_control) {
      line += "\xef\xbf\xbd";
    } else {
      line += rest.substr(0, length);
    }
    rest.remove_prefix(length);
  }
  return std::string(trimmed(line));
}

void initialise_mime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

std::string to_utf8(std::string_view bytes) { return to_nfc(valid_utf8(bytes)); }

std::string decode_text(std::string_view raw_value) {
  const std::string line = unfolded(raw_value);
  if (line.find("=?") == std::string::npos) return shown(line);
  const auto usual = decode_usual_words(line);
  return shown(usual ? *usual : decode_words(line));
}

std::optional<UnixTime> parse_date(std::string_view raw_value) {
  const std::string line = unfolded(raw_value.substr(0, max_date_bytes));
  if (line.empty()) return std::nullopt;
  initialise_mime();
  const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> date(g_mime_utils_header_decode_date(line.c_str()),
                                                                      &g_date_time_unref);
  if (!date) return std::nullopt;
  const UnixTime time = g_date_time_to_unix(date.get());
  return is_usable_date(time) ? std::optional(time) : std::nullopt;
}

std::optional<std::string_view> find_field(std::string_view header_block, std::string_view name) {
  std::optional<std::string_view> found;
  visit_fields(header_block, [&](std::string_view line, std::string_view field) {
    if (!name.empty() && starts_field(line, name)) found = value_of(field, name);
    return !found;
  });
  return found;
}

ListedFields listed_fields(std::string_view header_block) {
  ListedFields listed;
  const std::array<std::pair<std::string_view, std::string_view*>, 5> wanted = {{{"From", &listed.from},
                                                                                 {"To", &listed.to},
                                                                                 {"Subject", &listed.subject},
                                                                                 {"Date", &listed.date},
                                                                                 {"Message-ID", &listed.message_id}}};
  visit_fields(header_block, [&](std::string_view line, std::string_view field) {
    for (const auto& [name, value] : wanted)
      if (value->data() == nullptr && starts_field(line, name)) *value = value_of(field, name);
    return true;
  });
  return listed;
}

std::string_view header_in_utf8(std::string_view header_block, std::string& storage) {
  if (is_readable(header_block)) return header_block;
  const auto content_type = find_field(header_block, "Content-Type");
  const auto charset = content_type ? charset_parameter(*content_type) : std::string_view();
  storage.clear();
  visit_fields(header_block, [&](std::string_view, std::string_view field) {
    if (is_readable(field)) {
      storage += field;
    } else {
      storage += read_raw_text(field.substr(0, max_field_bytes), charset);
      if (field.size() > max_field_bytes) storage += "\r\n";
    }
    return true;
  });
  return storage;
}

bool is_header_readable(std::string_view header_block) { return is_readable(header_block); }

MessageHeaders decode_listing_headers(std::string_view header_block) {
  std::string storage;
  const auto fields = listed_fields(header_in_utf8(header_block, storage));
  MessageHeaders headers;
  headers.from = decode_addresses(fields.from);
  headers.subject = decode_text(fields.subject);
  headers.date = decode_text(fields.date);
  headers.message_id = decode_text(fields.message_id);
  return headers;
}

}  // namespace imapfs::mime
