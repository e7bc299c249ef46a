#include "app/netrc.hpp"

#include <algorithm>
#include <vector>

namespace imapfs::app {
namespace {

struct Entry {
  bool any_host = false;
  std::string host;
  std::optional<std::string> login;
  std::optional<std::string> password;
};

bool is_space(char character) {
  return character == ' ' || character == '\t' || character == '\n' || character == '\r';
}

/// Words in order. A word that begins with '"' goes to the closing one; "\\" and "\"" are taken literally inside. '#'
/// begins a comment at the start of a word of a line's beginning only, since passwords may hold it.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  std::optional<std::string> next() {
    while (position_ < text_.size()) {
      const bool line_start = position_ == 0 || text_[position_ - 1] == '\n';
      if (is_space(text_[position_])) {
        ++position_;
      } else if (text_[position_] == '#' && line_start) {
        skip_line();
      } else {
        return text_[position_] == '"' ? quoted() : plain();
      }
    }
    return std::nullopt;
  }

  /// A macro's body ends at an empty line.
  void skip_macro() {
    const std::size_t end = text_.find("\n\n", position_);
    position_ = end == std::string_view::npos ? text_.size() : end + 2;
  }

 private:
  void skip_line() { position_ = std::min(text_.find('\n', position_), text_.size()); }

  std::string plain() {
    const std::size_t begin = position_;
    while (position_ < text_.size() && !is_space(text_[position_])) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  std::string quoted() {
    std::string word;
    for (++position_; position_ < text_.size() && text_[position_] != '"'; ++position_) {
      if (text_[position_] == '\\' && position_ + 1 < text_.size()) ++position_;
      word += text_[position_];
    }
    if (position_ < text_.size()) ++position_;
    return word;
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

bool equal_without_case(std::string_view left, std::string_view right) {
  const auto lower = [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character + 32) : character;
  };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char one, char other) { return lower(one) == lower(other); });
}

std::vector<Entry> parse(std::string_view content) {
  std::vector<Entry> entries;
  Words words(content);
  while (const auto word = words.next()) {
    if (*word == "machine") {
      entries.push_back(Entry{false, words.next().value_or(""), {}, {}});
    } else if (*word == "default") {
      entries.push_back(Entry{true, {}, {}, {}});
    } else if (*word == "macdef") {
      words.skip_macro();
    } else if (*word == "account") {
      (void)words.next();
    } else if (*word == "login" && !entries.empty()) {
      entries.back().login = words.next();
    } else if (*word == "password" && !entries.empty()) {
      entries.back().password = words.next();
    }
  }
  return entries;
}

}  // namespace

std::optional<std::string> find_in_netrc(std::string_view content, std::string_view host, std::string_view user) {
  const auto entries = parse(content);
  for (const bool any_host : {false, true}) {
    for (const auto& entry : entries) {
      if (entry.any_host != any_host || !entry.password) continue;
      if (!any_host && !equal_without_case(entry.host, host)) continue;
      if (!entry.login || *entry.login == user) return entry.password;
    }
  }
  return std::nullopt;
}

}  // namespace imapfs::app
