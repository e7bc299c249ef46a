#pragma once
// Opening an account's directories while another mount of it may be ending: that one is waited for, and its directory
// is this mount's then. Only where it goes on does this mount get a directory beside it.
//
// Errors: as without the wait; EINTR when the wait was stopped. Threads: any that may block.

#include <memory>
#include <string>

#include "imapfs/base/result.hpp"
#include "imapfs/store/account_lock.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/store/metadata_store.hpp"

namespace imapfs::store {

/// open_account_directory() below a cache root.
Result<AccountDirectory> open_cache_directory(const std::string& cache_root, const std::string& account,
                                              const LockWait& wait);

/// Journal::open(). A journal beside that of another mount shows the names that were given there. EPROTONOSUPPORT: a
/// newer version of imapfs has written it; it is left as it is.
Result<std::shared_ptr<Journal>> open_journal(const std::string& state_root, const std::string& account,
                                              const LockWait& wait);

/// The account's own directory where `directory` is one that a second mount has made beside it; else empty.
std::string original_of(const std::string& directory);

}  // namespace imapfs::store
