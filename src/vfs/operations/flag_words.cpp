#include "vfs/operations/flag_words.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::string_view white_space{" \t\r\n\0", 5};

/// RFC 9051 §9: flag-keyword is an atom, flag-extension a backslash and an atom.
Result<void> check_flag(std::string_view flag) {
  auto atom = flag;
  if (atom.starts_with('\\')) atom.remove_prefix(1);
  const bool is_atom = !atom.empty() && std::all_of(atom.begin(), atom.end(), [](unsigned char character) {
    return character > 0x20 && character < 0x7f &&
           std::string_view("(){%*\"\\]").find(static_cast<char>(character)) == std::string_view::npos;
  });
  if (!is_atom) return fail(EINVAL, "{} is no flag", telemetry::printable(flag));
  FlagSet set;
  set.add(flag);
  if (set.has(SystemFlag::recent)) return fail(EPERM, "\\Recent is the server's to set");
  return {};
}

}  // namespace

Result<std::vector<FlagChange>> parse_flag_words(std::string_view text) {
  FlagChange add{FlagChange::Kind::add, {}};
  FlagChange remove{FlagChange::Kind::remove, {}};
  FlagChange replace{FlagChange::Kind::replace, {}};
  std::size_t added = 0;
  std::size_t removed = 0;
  std::size_t replacing = 0;
  for (std::size_t start = text.find_first_not_of(white_space); start != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(white_space, start), text.size());
    auto word = text.substr(start, end - start);
    start = text.find_first_not_of(white_space, end);
    const char sign = word.front();
    if (sign == '+' || sign == '-') word.remove_prefix(1);
    IMAPFS_TRY(check_flag(word));
    auto& change = sign == '+' ? add : sign == '-' ? remove : replace;
    auto& opposite = sign == '+' ? remove : add;
    if (&change != &replace && opposite.flags.has(word)) {
      return fail(EINVAL, "{} is both added and removed", telemetry::printable(word));
    }
    change.flags.add(word);
    ++(sign == '+' ? added : sign == '-' ? removed : replacing);
  }
  if (replacing != 0 && added + removed != 0) return fail(EINVAL, "either +FLAG and -FLAG, or all flags, not both");
  if (added + removed == 0) return std::vector<FlagChange>{replace};
  std::vector<FlagChange> changes;
  if (added != 0) changes.push_back(std::move(add));
  if (removed != 0) changes.push_back(std::move(remove));
  return changes;
}

}  // namespace imapfs::vfs
