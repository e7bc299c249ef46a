#pragma once
// Who opens messages, made into sets that are fetched ahead: the recogniser of each mailbox, and the jobs that carry them.
//
// Threads: any; opened() is called on FUSE threads and looks at few rows. Its locks are leaves but for `MessageTable::mutex_`, which is taken
// under that of the mailbox's recogniser. The pool must be closed before this object goes.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/sync/body_fetcher.hpp"
#include "imapfs/sync/message_table.hpp"
#include "read_ahead.hpp"

namespace imapfs::sync {

class ReadingAhead {
 public:
  struct Settings {
    std::size_t connections = 1;          ///< of the pool
    std::uint64_t message_octets = 1 << 20;
    std::uint64_t cache_octets = 0;       ///< the body cache's limit
  };
  /// Whether it would be in somebody's way to go on.
  using InTheWay = std::function<bool()>;

  ReadingAhead(Settings settings, BodyFetcher& fetcher, std::shared_ptr<store::MessageCache> bodies, InTheWay in_the_way);

  /// Somebody opens the message of `request`, whose mailbox is listed in `table`. To be called before the fetcher's open(), so that this
  /// message can be the first of a set.
  void opened(const BodyFetcher::Request& request, const std::shared_ptr<const MessageTable>& table);

 private:
  class Feed;
  struct Readers {
    ReadAhead ahead;
    UidValidity uid_validity;
    std::set<ReadAhead::ReaderId> fed;  ///< by a job that is under way
  };
  using ReadersPointer = std::shared_ptr<Guarded<Readers>>;

  [[nodiscard]] ReadersPointer readers_of(const BodyFetcher::Request& request);
  [[nodiscard]] ReadAhead::Limits limits() const;

  const Settings settings_;
  BodyFetcher& fetcher_;
  const std::shared_ptr<store::MessageCache> bodies_;
  const InTheWay in_the_way_;
  const std::size_t most_jobs_;
  std::atomic<std::size_t> jobs_{0};
  std::atomic<bool> useless_{false};  ///< the server's answers cannot be used
  Guarded<std::map<MailboxId, ReadersPointer>> mailboxes_;
};

}  // namespace imapfs::sync
