#include "imap_syntax.hpp"

#include <algorithm>
#include <cctype>

namespace imapfs::testing {
namespace {

/// The end of a value that begins at `begin` and is not quoted.
std::size_t end_of_value(std::string_view text, std::size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (auto at = begin; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '(' || c == '[') {
      ++depth;
    } else if (c == ')' || c == ']') {
      --depth;
    } else if (c == ' ' && depth == 0) {
      return at;
    }
  }
  return text.size();
}

std::string unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return std::string(text);
  std::string value;
  for (std::size_t at = 1; at + 1 < text.size(); ++at) {
    if (text[at] == '\\') ++at;
    value += text[at];
  }
  return value;
}

std::size_t end_of_header(const std::string& text) {
  const auto end = text.find("\r\n\r\n");
  return end == std::string::npos ? text.size() : end + 2;
}

}  // namespace

std::string in_upper_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::vector<std::string> imap_values(std::string_view text) {
  std::vector<std::string> values;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    const auto end = end_of_value(text, at);
    values.push_back(unquoted(text.substr(at, end - at)));
    at = end;
  }
  return values;
}

std::vector<std::string> values_in_parentheses(const std::string& list) {
  if (list.size() < 2 || list.front() != '(') return imap_values(list);
  return imap_values(std::string_view(list).substr(1, list.size() - 2));
}

NumberSet::NumberSet(std::string_view text, std::uint32_t highest) {
  const auto number = [&](const std::string& word) {
    return word == "*" ? highest : static_cast<std::uint32_t>(std::stoul(word));
  };
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string range(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto colon = range.find(':');
    const auto first = number(range.substr(0, colon));
    const auto last = colon == std::string::npos ? first : number(range.substr(colon + 1));
    ranges_.emplace_back(std::min(first, last), std::max(first, last));
  }
}

bool NumberSet::contains(std::uint32_t number) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const auto& range) { return range.first <= number && number <= range.second; });
}

std::string set_text(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t first = 0; first < numbers.size();) {
    auto last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[first]);
    if (last > first) text += ':' + std::to_string(numbers[last]);
    first = last + 1;
  }
  return text;
}

std::string header_of(const std::string& text) { return text.substr(0, end_of_header(text)) + "\r\n"; }

std::string header_fields(const std::string& text, const std::string& names) {
  const auto wanted = values_in_parentheses(in_upper_case(names));
  const auto header = text.substr(0, end_of_header(text));
  std::string fields;
  bool taken = false;
  for (std::size_t at = 0; at < header.size();) {
    const auto end = std::min(header.find("\r\n", at), header.size());
    const auto line = header.substr(at, end - at);
    if (line.front() != ' ' && line.front() != '\t')
      taken = std::find(wanted.begin(), wanted.end(), in_upper_case(line.substr(0, line.find(':')))) != wanted.end();
    if (taken) fields += line + "\r\n";
    at = end + 2;
  }
  return fields + "\r\n";
}

std::string imap_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string imap_list(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return '(' + text + ')';
}

}  // namespace imapfs::testing
