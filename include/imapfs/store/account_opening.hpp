#pragma once
// Opens an account's directories. If another mount of the account is ending, waits for it and takes its directory. If
// it goes on, this mount gets a directory of its own beside it.
//
// Errors: as without the wait; EINTR if the wait was stopped. Threads: any that may block.

#include <memory>
#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/store/account_lock.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/store/metadata_store.hpp"

namespace imapfs::store {

/// As open_account_directory() below a cache root.
Result<AccountDirectory> open_cache_directory(const std::string& cache_root, const std::string& account,
                                              const LockWait& wait);

/// As Journal::open(). A journal beside that of another mount shows the names that were given there. EPROTONOSUPPORT if
/// a newer version of imapfs wrote the journal, which is left as it is.
Result<std::shared_ptr<Journal>> open_journal(const std::string& state_root, const std::string& account,
                                              const LockWait& wait);

/// The account's own directory if `directory` is one that a second mount made beside it; else empty.
std::string original_of(const std::string& directory);

}  // namespace imapfs::store
