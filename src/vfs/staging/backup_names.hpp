#pragma once
// The names that editors give to what they keep of a file beside it: the version before (`name~`, `name.bak`,
// `nameXXXXXX.bck`, `name___jb_old___`, `name.~1~`), what is typed and not saved yet (`#name#`, `.name.swp`), undo
// (`.name.un~`).
//
// Whether a file is such a thing depends on whether there is, or was a moment ago, a file of the other name beside it.
// Pure functions.

#include <string>
#include <string_view>
#include <vector>

namespace imapfs::vfs {

/// Of which files `name` may be a backup; empty if no editor calls a backup so.
[[nodiscard]] std::vector<std::string> originals_of_backup(std::string_view name);
/// Whether an editor that saves `name` may call what was there before `backup`.
[[nodiscard]] bool is_backup_of(std::string_view backup, std::string_view name);

}  // namespace imapfs::vfs
