#pragma once
// What /.imapfs/status reports of the account, and its JSON form. Plain values; any thread.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "imapfs/imap/session_pool.hpp"
#include "imapfs/store/message_cache.hpp"
#include "sync/changes/changes.hpp"
#include "sync/mailbox/mailbox.hpp"
#include "sync/mailbox/mailbox_watch.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

struct AccountStatus {
  struct OfMailbox {
    std::string path;
    std::string state;
    std::size_t messages = 0;
    std::size_t memory_bytes = 0;
    KnownMailbox known;
    std::optional<SyncMethod> method;  ///< of the last good sync
    UnixTime synced_at = 0;
    std::optional<std::chrono::seconds> age;  ///< since the last check
    std::string watched_by;
    std::string last_error;
  };

  std::string account;
  imap::PoolStatus pool;
  std::vector<MailboxWatch::Snapshot> watches;
  std::vector<OfMailbox> mailboxes;
  store::MessageCache::Usage cache;
  StoreWriter::Snapshot store;
  Changes::Status changes;
  std::shared_ptr<const imap::ServerTraits> traits;  ///< null: unknown
  std::string_view idle;
};

[[nodiscard]] AccountStatus::OfMailbox status_of(const MailboxPointer& mailbox);

/// Includes the process's counters, notices and last errors.
[[nodiscard]] nlohmann::json to_json(const AccountStatus& status);

}  // namespace imapfs::sync
