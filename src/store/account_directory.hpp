#pragma once
// What the cache and the journal share: a private, locked directory per account.

#include <string>
#include <string_view>
#include <vector>

#include "imapfs/store/account_opening.hpp"

namespace imapfs::store {

/// open_account_directory() below any root; `kind` ("cache", "state") is how errors call the directory.
Result<AccountDirectory> open_account_directory(const std::string& root_directory, const std::string& account,
                                                std::string_view kind, const LockWait& wait);

/// The siblings of an account's own directory that other mounts have made and no mount uses now, locked.
std::vector<AccountDirectory> lock_idle_siblings(const AccountDirectory& directory, std::string_view kind);

}  // namespace imapfs::store
