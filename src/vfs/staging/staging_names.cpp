// Which names are temporary, and whose backup a name is.

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "vfs/staging/backup_names.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

bool is_alphanumeric(char character) { return std::isalnum(static_cast<unsigned char>(character)) != 0; }

bool all_alphanumeric(std::string_view text) { return std::all_of(text.begin(), text.end(), is_alphanumeric); }

/// One letter for each run of characters of a kind: "Report12" is "Uld". A run of several capitals is a 'V'.
std::string shape_of(std::string_view text) {
  std::string shape;
  for (const unsigned char character : text) {
    const char kind = std::isdigit(character) != 0 ? 'd' : std::isupper(character) != 0 ? 'U' : 'l';
    const bool same = !shape.empty() && (shape.back() == kind || (shape.back() == 'V' && kind == 'U'));
    if (!same) {
      shape += kind;
    } else if (kind == 'U') {
      shape.back() = 'V';
    }
  }
  return shape;
}

/// Words in capitals or not, joined or not ("myFile"), with a number before or behind: what people and mail programs
/// choose.
bool is_chosen(std::string_view text) {
  auto shape = shape_of(text);
  if (shape.size() <= 2) return true;
  const auto letters_only = [](std::string_view part) { return part.find('d') == std::string_view::npos; };
  std::string_view words = shape;
  if (words.front() == 'd') words.remove_prefix(1);
  if (words.back() == 'd') words.remove_suffix(1);
  if (words.size() <= 1) return true;
  // Words that begin with one capital each.
  return letters_only(words) && words.find('V') == std::string_view::npos && words.back() == 'l';
}

/// What mktemp(3) makes: letters of both cases, or letters and digits, mixed as in no word.
bool is_random(std::string_view text) { return all_alphanumeric(text) && !is_chosen(text); }

/// `prefix` and six random letters or digits. Such a name means nothing else, so that only plain words and numbers are
/// excepted.
bool is_prefix_and_six(std::string_view name, std::string_view prefix) {
  if (name.size() != prefix.size() + 6 || !name.starts_with(prefix)) return false;
  const auto six = name.substr(prefix.size());
  return all_alphanumeric(six) && shape_of(six).size() > 1 && shape_of(six) != "Ul";
}

/// A dot and what was made of XXXXXX or XXXXXXXXXX.
bool has_random_suffix(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  const auto suffix = name.substr(dot + 1);
  return (suffix.size() == 6 || suffix.size() == 10) && is_random(suffix);
}

/// Python's tempfile: "tmp", eight lower-case letters, digits or underscores, and perhaps an extension.
bool is_of_tempfile(std::string_view name) {
  if (!name.starts_with("tmp") || name.size() < 11 || (name.size() > 11 && name[11] != '.')) return false;
  auto eight = std::string(name.substr(3, 8));
  const bool allowed = std::all_of(eight.begin(), eight.end(), [](unsigned char character) {
    return std::islower(character) != 0 || std::isdigit(character) != 0 || character == '_';
  });
  if (!allowed) return false;
  // "tmp_report.eml" and "tmp_notes_12" are chosen: an underscore parts words.
  std::erase(eight, '_');
  return shape_of(eight).size() > 2;
}

constexpr std::array<std::string_view, 10> temporary_suffixes = {
    ".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".swx", "~", "___jb_tmp___", "___jb_old___"};

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
  if (inner.size() <= 6 || !all_alphanumeric(inner.substr(inner.size() - 6))) return {};
  return inner.substr(0, inner.size() - 6);
}

}  // namespace

bool is_temporary_name(std::string_view name) {
  if (is_temporary_directory_name(name) || name.starts_with("tmp_obj_")) return true;
  // sed -i, perl -i, unix2dos
  if (is_prefix_and_six(name, "sed") || is_prefix_and_six(name, "XX") || is_prefix_and_six(name, "d2utmp")) return true;
  return has_random_suffix(name);
}

bool is_temporary_directory_name(std::string_view name) {
  if (name.starts_with('.')) return true;
  if (std::any_of(temporary_suffixes.begin(), temporary_suffixes.end(),
                  [&](std::string_view suffix) { return !without(name, suffix).empty(); })) {
    return true;
  }
  // mktemp -d
  return is_of_tempfile(name) || (name.starts_with("tmp.") && has_random_suffix(name));
}

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
