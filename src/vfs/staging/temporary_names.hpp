#pragma once
// Names that tools give to what they are still writing, and rename when it is whole: `.name.Xy12Ab`, `name.part`,
// `tmpx3k_9wq2`. Nothing is uploaded under such a name, and a directory of such a name is local.
//
// Pure functions.

#include <string_view>

namespace imapfs::vfs {

/// Whether tools use such a name for a file that they will rename.
[[nodiscard]] bool is_temporary_name(std::string_view name);
/// The same of a directory. It is local for good, so fewer names count: "Lists.NetBSD" is a mailbox.
[[nodiscard]] bool is_temporary_directory_name(std::string_view name);

}  // namespace imapfs::vfs
