#pragma once
// Turns opens of messages into sets that are fetched ahead: one recogniser for each mailbox, and the jobs that fetch.
//
// Threads: any; opened() is called on FUSE threads and looks at few rows. Its locks are leaves, except that
// `MessageTable::mutex_` is taken under the lock of the mailbox's recogniser. Close the pool before this object is
// destroyed.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/sync/message_table.hpp"
#include "sync/bodies/access_pattern.hpp"
#include "sync/bodies/body_fetcher.hpp"
#include "sync/bodies/inode_order.hpp"

namespace imapfs::sync {

class Prefetcher {
 public:
  struct Settings {
    std::size_t connections = 1;  ///< of the pool
    std::uint64_t message_bytes = 1 << 20;
    std::uint64_t cache_bytes = 0;  ///< the body cache's limit
    std::string account;            ///< inode numbers are made from it
  };
  /// Whether fetching ahead would get in somebody's way.
  using InTheWay = std::function<bool()>;
  /// Runs a job of some milliseconds on another thread; false if that is not possible.
  using Later = std::function<bool(Job)>;

  Prefetcher(Settings settings, BodyFetcher& fetcher, std::shared_ptr<store::MessageCache> bodies, InTheWay in_the_way,
             Later later);

  struct Listed {
    std::shared_ptr<const MessageTable> table;
    std::string path;  ///< of the mailbox: inode numbers are made from it
  };
  /// The message of `request` is being opened; `listed` is its mailbox. Call it before the fetcher's open(), so that
  /// the message can be the first of a set.
  void opened(const BodyFetcher::Request& request, const Listed& listed);

 private:
  class PrefetchSource;
  enum class Order : std::uint8_t { uid, inode };
  using Reader = std::pair<Order, AccessPattern::ReaderId>;
  struct Readers {
    AccessPattern by_uid;
    AccessPattern by_inode;
    std::shared_ptr<const InodeOrder> inodes;  ///< set while a reader may follow that order
    std::size_t strays = 0;                    ///< opens since the last one of a recognised reader
    std::size_t sort_at = 0;                   ///< number of strays at which to look at inode order again
    UidValidity uid_validity;
    std::set<Reader> fed;  ///< readers with a running job
    [[nodiscard]] AccessPattern& in(Order order) { return order == Order::uid ? by_uid : by_inode; }
  };
  using ReadersPointer = std::shared_ptr<Guarded<Readers>>;

  [[nodiscard]] ReadersPointer readers_of(const BodyFetcher::Request& request);
  [[nodiscard]] AccessPattern::Limits limits(Order order) const;
  [[nodiscard]] std::optional<Reader> recognise(Readers& readers, Uid uid, const AccessPattern::Listing& listing) const;
  void look_at_inodes(const ReadersPointer& readers, const BodyFetcher::Request& request, const Listed& listed);

  const Settings settings_;
  BodyFetcher& fetcher_;
  const std::shared_ptr<store::MessageCache> bodies_;
  const InTheWay in_the_way_;
  const Later later_;
  const std::size_t most_jobs_;
  std::atomic<std::size_t> jobs_{0};
  std::atomic<bool> useless_{false};  ///< the server's answers cannot be used
  Guarded<std::map<MailboxId, ReadersPointer>> mailboxes_;
};

}  // namespace imapfs::sync
