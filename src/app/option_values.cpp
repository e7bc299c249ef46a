#include "app/option_values.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>
#include <optional>
#include <system_error>
#include <type_traits>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::app {
namespace {

std::string quoted(std::string_view text) { return "\"" + telemetry::printable(text) + "\""; }

/// Digits of `base` at the start of `text`, which is advanced beyond them.
std::optional<std::uint64_t> take_digits(std::string_view& text, int base) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

constexpr std::pair<std::string_view, imap::CompressionMode> compression_modes[] = {
    {"auto", imap::CompressionMode::automatic},
    {"yes", imap::CompressionMode::yes},
    {"no", imap::CompressionMode::no},
};

constexpr std::pair<std::string_view, sync::RemovalPolicy> removal_policies[] = {
    {"auto", sync::RemovalPolicy::automatic},
    {"flag", sync::RemovalPolicy::flag},
    {"trash", sync::RemovalPolicy::trash},
    {"expunge", sync::RemovalPolicy::expunge},
};

template <class Table>
auto value_of(const Table& words, std::string_view text) {
  std::optional<std::remove_cvref_t<decltype(words[0].second)>> found;
  for (const auto& [word, value] : words) {
    if (word == text) found.emplace(value);
  }
  return found;
}

template <class Table, class Value>
std::string_view word_for(const Table& words, Value wanted) {
  for (const auto& [word, value] : words) {
    if (value == wanted) return word;
  }
  return {};
}

/// System flags that make sense on new mail: \Recent is the server's, and \Deleted would hide what was just written.
constexpr std::string_view new_message_flags[] = {"\\seen", "\\answered", "\\flagged", "\\draft"};

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& character : lower) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return lower;
}

/// RFC 9051 §9 flag-keyword: an atom.
bool is_keyword(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char character) {
    const auto octet = static_cast<unsigned char>(character);
    return octet > 0x20 && octet < 0x7f && std::string_view("(){%*\"\\]").find(character) == std::string_view::npos;
  });
}

Result<void> check_new_message_flag(std::string_view word) {
  if (word.front() != '\\') {
    if (!is_keyword(word)) return fail(EINVAL, "{} is not a keyword that IMAP can write", quoted(word));
    return {};
  }
  const auto& known = new_message_flags;
  if (std::find(std::begin(known), std::end(known), lower_case(word)) != std::end(known)) return {};
  return fail(EINVAL, "{} is not one of \\Seen, \\Answered, \\Flagged and \\Draft", quoted(word));
}

std::uint64_t multiplied(std::uint64_t number, std::uint64_t factor) {
  return number > UINT64_MAX / factor ? UINT64_MAX : number * factor;
}

}  // namespace

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most) {
  std::string_view rest = text;
  const auto number = take_digits(rest, 10);
  if (!number || !rest.empty()) return fail(EINVAL, "{} is not a number", quoted(text));
  if (*number < least || *number > most) return fail(EINVAL, "{} is not between {} and {}", quoted(text), least, most);
  return *number;
}

Result<std::chrono::seconds> parse_seconds(std::string_view text, std::chrono::seconds least,
                                           std::chrono::seconds most) {
  std::string_view rest = text;
  auto number = take_digits(rest, 10);
  const std::uint64_t factor = rest.empty() || rest == "s" ? 1 : rest == "m" ? 60 : rest == "h" ? 3600 : 0;
  if (!number || factor == 0) return fail(EINVAL, "{} is not a number of seconds", quoted(text));
  const std::uint64_t seconds = multiplied(*number, factor);
  if (seconds < static_cast<std::uint64_t>(least.count()) || seconds > static_cast<std::uint64_t>(most.count())) {
    return fail(EINVAL, "{} is not between {} and {} seconds", quoted(text), least.count(), most.count());
  }
  return std::chrono::seconds(static_cast<std::int64_t>(seconds));
}

Result<std::uint64_t> parse_size(std::string_view text, std::uint64_t least) {
  std::string_view rest = text;
  const auto number = take_digits(rest, 10);
  std::uint64_t factor = 1;
  bool valid = number.has_value();
  if (valid && !rest.empty()) {
    static constexpr std::string_view units = "KMGT";
    const char unit = rest.front() >= 'a' && rest.front() <= 'z' ? static_cast<char>(rest.front() - 'a' + 'A')
                                                                 : rest.front();
    const auto power = units.find(unit);
    rest.remove_prefix(1);
    valid = power != std::string_view::npos && (rest.empty() || rest == "B" || rest == "iB");
    if (valid) factor = 1ULL << (10 * (power + 1));
  }
  if (!valid) return fail(EINVAL, "{} is not a size such as 512M or 2G", quoted(text));
  const std::uint64_t size = multiplied(*number, factor);
  if (size == UINT64_MAX || size > static_cast<std::uint64_t>(INT64_MAX))
    return fail(EINVAL, "{} is too large", quoted(text));
  if (size < least) return fail(EINVAL, "{} is less than {} bytes", quoted(text), least);
  return size;
}

Result<mode_t> parse_umask(std::string_view text) {
  std::string_view rest = text;
  const auto mask = take_digits(rest, 8);
  if (!mask || !rest.empty() || *mask > 0777) return fail(EINVAL, "{} is not an octal mask such as 077", quoted(text));
  return static_cast<mode_t>(*mask);
}

Result<std::string> parse_path(std::string_view text) {
  if (text.empty()) return fail(EINVAL, "an empty path");
  std::error_code error;
  auto path = std::filesystem::absolute(std::filesystem::path(text), error);
  if (error) return fail(EINVAL, "{}: {}", quoted(text), error.message());
  std::string normal = path.lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

Result<sync::RemovalPolicy> parse_removal(std::string_view text) {
  if (const auto policy = value_of(removal_policies, text)) return *policy;
  return fail(EINVAL, "{} is not one of auto, flag, trash and expunge", quoted(text));
}

std::string_view to_string(sync::RemovalPolicy policy) { return word_for(removal_policies, policy); }

Result<imap::CompressionMode> parse_compression(std::string_view text) {
  if (const auto mode = value_of(compression_modes, text)) return *mode;
  return fail(EINVAL, "{} is not one of auto, yes and no", quoted(text));
}

std::string_view to_string(imap::CompressionMode mode) { return word_for(compression_modes, mode); }

Result<FlagSet> parse_append_flags(std::string_view text) {
  FlagSet flags;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" +"), text.size()));
    if (text.empty()) return flags;
    const auto word = text.substr(0, text.find_first_of(" +"));
    IMAPFS_TRY(check_new_message_flag(word));
    flags.add(word);
    text.remove_prefix(word.size());
  }
}

std::vector<std::string> split_mount_options(std::string_view text) {
  std::vector<std::string> items;
  std::string item;
  for (std::size_t position = 0; position < text.size(); ++position) {
    const char character = text[position];
    const bool escape = character == '\\' && position + 1 < text.size() &&
                        (text[position + 1] == ',' || text[position + 1] == '\\');
    if (escape) {
      item += text[++position];
    } else if (character == ',') {
      if (!item.empty()) items.push_back(std::move(item));
      item.clear();
    } else {
      item += character;
    }
  }
  if (!item.empty()) items.push_back(std::move(item));
  return items;
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  if (word.size() > 40) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto candidate : candidates) {
    // Levenshtein's distance, one row at a time.
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t at = 0; at < word.size(); ++at) {
      std::size_t diagonal = row[0]++;
      for (std::size_t column = 0; column < candidate.size(); ++column) {
        const std::size_t substituted = diagonal + (word[at] == candidate[column] ? 0 : 1);
        diagonal = row[column + 1];
        row[column + 1] = std::min({substituted, row[column] + 1, row[column + 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace imapfs::app
