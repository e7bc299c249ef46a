#include "vfs/staging/temporary_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

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
                  [&](std::string_view suffix) { return name.size() > suffix.size() && name.ends_with(suffix); })) {
    return true;
  }
  // mktemp -d
  return is_of_tempfile(name) || (name.starts_with("tmp.") && has_random_suffix(name));
}

}  // namespace imapfs::vfs
