#pragma once
// Whether compressing has paid on the link to an account, from one mount to the next: a word in the file "compression"
// of the account's directory in the cache. What cannot be read or written is forgotten, and found out anew.

#include <optional>
#include <string>

namespace imapfs::app {

[[nodiscard]] std::optional<bool> remembered_compression(const std::string& directory);
void remember_compression(const std::string& directory, bool wanted);

}  // namespace imapfs::app
