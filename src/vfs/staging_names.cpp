// Which names are temporary.

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "staging.hpp"

namespace imapfs::vfs {

namespace {

bool is_alphanumeric(char character) { return std::isalnum(static_cast<unsigned char>(character)) != 0; }

/// `prefix` and then exactly six letters or digits, as mkstemp(3) makes them.
bool is_prefix_and_six(std::string_view name, std::string_view prefix) {
  return name.size() == prefix.size() + 6 && name.starts_with(prefix) &&
         std::all_of(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(), is_alphanumeric);
}

/// A dot and what mktemp made of XXXXXX or XXXXXXXXXX: a real word has no digit and no upper-case letter in it.
bool has_random_suffix(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const auto suffix = name.substr(dot + 1);
  if (suffix.size() != 6 && suffix.size() != 10) return false;
  return std::all_of(suffix.begin(), suffix.end(), is_alphanumeric) &&
         std::any_of(suffix.begin(), suffix.end(), [](char character) {
           return std::isalpha(static_cast<unsigned char>(character)) == 0 ||
                  std::isupper(static_cast<unsigned char>(character)) != 0;
         });
}

constexpr std::array<std::string_view, 9> temporary_suffixes = {".tmp",        ".temp", ".part", ".partial", ".swp",
                                                                ".crdownload", ".swx",  ".lock", "~"};

}  // namespace

bool is_temporary_name(std::string_view name) {
  if (name.starts_with('.') || name.starts_with("tmp_")) return true;
  if (name.size() > 1 && name.starts_with('#') && name.ends_with('#')) return true;
  // vim asks with this name whether it may create files here.
  if (name == "4913") return true;
  // sed -i, perl -i
  if (is_prefix_and_six(name, "sed") || is_prefix_and_six(name, "XX")) return true;
  if (std::any_of(temporary_suffixes.begin(), temporary_suffixes.end(),
                  [&](std::string_view suffix) { return name.size() > suffix.size() && name.ends_with(suffix); })) {
    return true;
  }
  return has_random_suffix(name);
}

}  // namespace imapfs::vfs
