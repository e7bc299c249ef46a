#pragma once
// What is said of a change before it is looked at: whether the mount takes any, whether the name can be one, whether
// the file is of a kind that has content to be changed. Pure functions, any thread.

#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

class Staging;

/// EROFS where nothing can be changed: `staging` is null there.
[[nodiscard]] Result<void> check_writable(const Staging* staging, const char* operation);
/// Whether a directory could hold `name` at all.
[[nodiscard]] Result<void> check_name(const std::string& name);
/// A message or a file that becomes one.
[[nodiscard]] bool is_mail(NodeId node);
/// EACCES, of every other file.
[[nodiscard]] Error not_writable();

}  // namespace imapfs::vfs
