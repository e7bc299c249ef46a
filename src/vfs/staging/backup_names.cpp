#include "vfs/staging/backup_names.hpp"

#include <algorithm>
#include <cctype>

namespace imapfs::vfs {

namespace {

bool is_alphanumeric_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char character) { return std::isalnum(character) != 0; });
}

/// The name without a suffix; empty if it has another one, or nothing before it.
std::string_view without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : std::string_view();
}

/// "name.~1~"
std::string_view without_number(std::string_view name) {
  const auto inner = without(name, "~");
  const auto tilde = inner.rfind(".~");
  if (tilde == std::string_view::npos || tilde + 2 == inner.size()) return {};
  const auto number = inner.substr(tilde + 2);
  const bool digits = std::all_of(number.begin(), number.end(),
                                  [](unsigned char digit) { return std::isdigit(digit) != 0; });
  return digits ? inner.substr(0, tilde) : std::string_view();
}

/// "nameXXXXXX.bck"
std::string_view without_random_bck(std::string_view name) {
  const auto inner = without(name, ".bck");
  if (inner.size() <= 6 || !is_alphanumeric_text(inner.substr(inner.size() - 6))) return {};
  return inner.substr(0, inner.size() - 6);
}

}  // namespace

std::vector<std::string> originals_of_backup(std::string_view name) {
  std::vector<std::string> originals;
  const auto add = [&](std::string_view original) {
    if (!original.empty()) originals.emplace_back(original);
  };
  for (const std::string_view suffix : {"~", ".bak", ".bck", ".orig", "___jb_old___"}) add(without(name, suffix));
  add(without_number(name));
  add(without_random_bck(name));
  if (name.size() > 2 && name.starts_with('#') && name.ends_with('#')) add(name.substr(1, name.size() - 2));
  if (name.starts_with('.')) {
    for (const std::string_view suffix : {".swp", ".swo", ".swx", ".un~", "~"}) add(without(name.substr(1), suffix));
    if (name.starts_with(".#")) add(name.substr(2));
  }
  return originals;
}

bool is_backup_of(std::string_view backup, std::string_view name) {
  const auto originals = originals_of_backup(backup);
  return std::find(originals.begin(), originals.end(), name) != originals.end();
}

}  // namespace imapfs::vfs
