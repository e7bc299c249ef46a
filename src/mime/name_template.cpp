#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "imapfs/mime/header_decode.hpp"
#include "imapfs/mime/names.hpp"
#include "mime/name_characters.hpp"
#include "mime/unicode.hpp"

namespace imapfs::mime {
namespace {

constexpr std::size_t max_uid_digits = 10;
constexpr std::size_t date_bytes = 15;
/// Each text field keeps at least this much when the name is cut.
constexpr std::size_t min_field_bytes = 16;
/// Raw header bytes to decode: far more than a name can show, but few enough for every row of a listing.
constexpr std::size_t max_raw_bytes = 8192;
/// The most runs of digits in a name that are tried as a UID.
constexpr std::size_t max_candidates = 16;

/// The longest file name that a file system accepts.
constexpr std::size_t longest_component = 255;

constexpr std::string_view digits = "0123456789";
constexpr std::string_view short_form_extension = ".eml";

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

std::optional<Uid> parse_uid(std::string_view text) {
  if (text.empty() || text.size() > max_uid_digits || text.front() == '0') return std::nullopt;
  Uid uid;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid.value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return uid;
}

std::string format_date(UnixTime time) {
  // Limit to years 0 to 9999, so that the width is fixed whatever a server sends.
  time = std::clamp<UnixTime>(time, -62167219200, 253402300799);
  const std::chrono::sys_seconds seconds{std::chrono::seconds(time)};
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  std::string text = "0000-00-00_0000";
  const auto put = [&text](std::size_t end, long number) {
    for (; number > 0; number /= 10) text[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, static_cast<int>(date.year()));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, clock.hours().count());
  put(15, clock.minutes().count());
  return text;
}

std::string_view without_angle_brackets(std::string_view text) {
  const auto open = text.find('<');
  if (open == std::string_view::npos) return text;
  text.remove_prefix(open + 1);
  return text.substr(0, text.find('>'));
}

Result<void> check_literal(std::string_view literal) {
  for (std::string_view rest = literal; !rest.empty();) {
    const std::size_t length = sequence_length(rest);
    if (length == 0) return fail(EINVAL, "name template: not valid UTF-8");
    if (!is_safe_in_name(code_point(rest))) {
      return fail(EINVAL, "name template: U+{:04X} cannot stand in a name (use letters, digits, % + , - . = @ _)",
                  static_cast<std::uint32_t>(code_point(rest)));
    }
    rest.remove_prefix(length);
  }
  if (to_utf8(literal) != literal || (!literal.empty() && is_combining(code_point(literal)))) {
    return fail(EINVAL, "name template: text must be in Unicode normal form C");
  }
  return {};
}

/// Shortens `length` by up to `excess`, but not below `floor`; returns the remaining excess.
std::size_t shorten(std::size_t& length, std::size_t floor, std::size_t excess) {
  const std::size_t cut = length > floor ? std::min(length - floor, excess) : 0;
  length -= cut;
  return excess - cut;
}

}  // namespace

NameTemplate::NameTemplate() : NameTemplate(*parse(default_text)) {}

Result<NameTemplate::Piece> NameTemplate::placeholder(std::string_view name) {
  struct Known {
    std::string_view name;
    Piece::Kind kind;
  };
  constexpr std::array<Known, 6> known = {{{"uid", Piece::Kind::uid},
                                           {"date", Piece::Kind::date},
                                           {"from", Piece::Kind::from},
                                           {"to", Piece::Kind::to},
                                           {"subject", Piece::Kind::subject},
                                           {"message-id", Piece::Kind::message_id}}};
  for (const auto& entry : known) {
    if (entry.name == name) return Piece{entry.kind, {}};
  }
  return fail(EINVAL, "name template: unknown placeholder {{{}}} (known: uid date from to subject message-id)",
              safe_component(name, 40, "?"));
}

Result<NameTemplate> NameTemplate::parse(std::string_view text) {
  if (text.size() > max_file_name_bytes)
    return fail(EINVAL, "name template: longer than {} bytes", max_file_name_bytes);
  NameTemplate result{Pieces{}};
  result.text_ = text;
  while (!text.empty()) {
    if (text.front() == '{') {
      const auto close = text.find('}');
      if (close == std::string_view::npos) return fail(EINVAL, "name template: '{{' without '}}'");
      result.pieces_.push_back(IMAPFS_TRY(placeholder(text.substr(1, close - 1))));
      text.remove_prefix(close + 1);
    } else {
      const auto literal = text.substr(0, text.find('{'));
      IMAPFS_TRY(check_literal(literal));
      result.pieces_.push_back(Piece{Piece::Kind::literal, std::string(literal)});
      text.remove_prefix(literal.size());
    }
  }
  IMAPFS_TRY(result.check());
  return result;
}

Result<void> NameTemplate::check() const {
  const auto is_uid = [](const Piece& piece) { return piece.kind == Piece::Kind::uid; };
  const auto uids = std::count_if(pieces_.begin(), pieces_.end(), is_uid);
  if (uids != 1) return fail(EINVAL, "name template: {{uid}} must stand in it exactly once");
  const Piece& first = pieces_.front();
  if (first.kind == Piece::Kind::literal && (first.literal.front() == '.' || first.literal.front() == '-')) {
    return fail(EINVAL, "name template: names must not start with '.' or '-'");
  }
  if (pieces_.back().kind != Piece::Kind::literal && !is_uid(pieces_.back())) {
    return fail(EINVAL, "name template: must end in {{uid}} or in text such as .eml");
  }
  const std::size_t at = uid_position();
  const bool clear_before = at == 0 ||
                            (pieces_[at - 1].kind == Piece::Kind::literal && !is_digit(pieces_[at - 1].literal.back()));
  const bool clear_after = at + 1 == pieces_.size() ||
                           (pieces_[at + 1].kind == Piece::Kind::literal && !is_digit(pieces_[at + 1].literal.front()));
  if (!clear_before || !clear_after) {
    return fail(EINVAL, "name template: {{uid}} needs text that is no digit between it and what is beside it");
  }
  std::size_t longest = 0;
  for (const auto& piece : pieces_) longest += least_bytes(piece);
  if (longest > max_file_name_bytes) {
    return fail(EINVAL, "name template: its names would be longer than {} bytes", max_file_name_bytes);
  }
  return {};
}

std::size_t NameTemplate::least_bytes(const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::literal: return piece.literal.size();
    case Piece::Kind::uid: return max_uid_digits;
    case Piece::Kind::date: return date_bytes;
    default: return min_field_bytes;
  }
}

std::size_t NameTemplate::uid_position() const {
  const auto place = std::find_if(pieces_.begin(), pieces_.end(),
                                  [](const Piece& piece) { return piece.kind == Piece::Kind::uid; });
  return static_cast<std::size_t>(place - pieces_.begin());
}

std::string NameTemplate::value_of(const Piece& piece, const NameFields& fields) {
  const auto head = [](std::string_view raw) { return raw.substr(0, max_raw_bytes); };
  switch (piece.kind) {
    case Piece::Kind::literal: return piece.literal;
    case Piece::Kind::uid: return fmt::format_int(fields.uid.value).str();
    case Piece::Kind::date: return format_date(fields.internal_date);
    case Piece::Kind::from: return safe_component(first_address(head(fields.from)), max_file_name_bytes, "nobody");
    case Piece::Kind::to: return safe_component(first_address(head(fields.to)), max_file_name_bytes, "nobody");
    case Piece::Kind::subject:
      return safe_component(decode_text(head(fields.subject)), max_file_name_bytes, "no-subject");
    case Piece::Kind::message_id:
      return safe_component(without_angle_brackets(decode_text(head(fields.message_id))), max_file_name_bytes,
                            "no-message-id");
  }
  return {};
}

std::string NameTemplate::render(const NameFields& fields) const {
  std::vector<std::string> values;
  values.reserve(pieces_.size());
  std::size_t total = 0;
  for (const auto& piece : pieces_) total += values.emplace_back(value_of(piece, fields)).size();
  // check() guarantees that cutting every field to its least length is enough.
  std::size_t excess = total > max_file_name_bytes ? total - max_file_name_bytes : 0;
  for (const bool subjects : {true, false}) {
    for (std::size_t i = 0; i < pieces_.size() && excess > 0; ++i) {
      const auto kind = pieces_[i].kind;
      const bool fixed = kind == Piece::Kind::literal || kind == Piece::Kind::uid || kind == Piece::Kind::date;
      if (fixed || (kind == Piece::Kind::subject) != subjects) continue;
      std::size_t length = values[i].size();
      excess = shorten(length, min_field_bytes, excess);
      if (length < values[i].size()) values[i] = safe_component(values[i], length, "-");
    }
  }
  std::string name;
  name.reserve(max_file_name_bytes);
  for (const auto& value : values) name += value;
  return name;
}

std::vector<NameTemplate::Digits> NameTemplate::possible_digits(std::string_view name) const {
  std::vector<Digits> found;
  if (name.size() > longest_component) return found;
  const std::size_t at = uid_position();
  const std::string_view before = at > 0 ? std::string_view(pieces_[at - 1].literal) : std::string_view();
  const std::string_view after = at + 1 < pieces_.size() ? std::string_view(pieces_[at + 1].literal)
                                                         : std::string_view();
  const bool whole_head = at < 2;
  const bool whole_tail = at + 2 >= pieces_.size();
  const auto fits = [&](std::string_view tail) { return whole_tail ? tail == after : tail.starts_with(after); };
  for (auto last = name.find_last_of(digits); last != std::string_view::npos && found.size() < max_candidates;) {
    const auto gap = name.find_last_not_of(digits, last);
    const std::size_t first = gap == std::string_view::npos ? 0 : gap + 1;
    const auto head = name.substr(0, first);
    auto tail = name.substr(last + 1);
    while (!fits(tail) && tail.starts_with('+')) tail.remove_prefix(1);
    if ((whole_head ? head == before : head.ends_with(before)) && fits(tail)) {
      if (const auto uid = parse_uid(name.substr(first, last + 1 - first))) found.push_back({*uid, last + 1});
    }
    last = first == 0 ? std::string_view::npos : name.find_last_of(digits, first - 1);
  }
  return found;
}

std::vector<Uid> NameTemplate::possible_uids(std::string_view name) const {
  std::vector<Uid> uids;
  for (const auto& possible : possible_digits(name))
    if (std::find(uids.begin(), uids.end(), possible.uid) == uids.end()) uids.push_back(possible.uid);
  return uids;
}

std::optional<std::string> NameTemplate::distinct(std::string_view rendered, Uid uid, std::size_t pluses) const {
  if (rendered.size() + pluses > longest_component) return std::nullopt;
  for (const auto& possible : possible_digits(rendered)) {
    if (possible.uid != uid) continue;
    std::string name(rendered.substr(0, possible.end));
    name.append(pluses, '+').append(rendered.substr(possible.end));
    return name;
  }
  return std::nullopt;
}

std::optional<Uid> NameTemplate::short_form(std::string_view name) {
  if (!name.ends_with(short_form_extension)) return std::nullopt;
  return parse_uid(name.substr(0, name.size() - short_form_extension.size()));
}

std::string NameTemplate::short_form(Uid uid) { return fmt::format("{}{}", uid.value, short_form_extension); }

bool NameTemplate::needs_headers() const {
  return std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) {
    return piece.kind != Piece::Kind::literal && piece.kind != Piece::Kind::uid && piece.kind != Piece::Kind::date;
  });
}

bool NameTemplate::uses_to() const {
  return std::any_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) { return piece.kind == Piece::Kind::to; });
}

}  // namespace imapfs::mime
