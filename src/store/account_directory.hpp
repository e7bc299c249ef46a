#pragma once
// Shared by cache and journal: a private, locked directory per account.

#include <string>
#include <string_view>
#include <vector>

#include "imapfs/store/account_opening.hpp"

namespace imapfs::store {

/// As open_account_directory(), below any root. `kind` ("cache", "state") names the directory in errors.
Result<AccountDirectory> open_account_directory(const std::string& root_directory, const std::string& account,
                                                std::string_view kind, const LockWait& wait);

/// Locks and returns the sibling directories that other mounts have made beside an account's own and no mount uses now.
std::vector<AccountDirectory> lock_idle_siblings(const AccountDirectory& directory, std::string_view kind);

}  // namespace imapfs::store
