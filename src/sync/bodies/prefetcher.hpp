#pragma once
// Who opens messages, made into sets that are fetched ahead: the recogniser of each mailbox, and the jobs that carry
// them.
//
// Threads: any; opened() is called on FUSE threads and looks at few rows. Its locks are leaves but for
// `MessageTable::mutex_`, which is taken under that of the mailbox's recogniser. The pool must be closed before this
// object goes.

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
    std::string account;            ///< inode numbers are made of it
  };
  /// Whether it would be in somebody's way to go on.
  using InTheWay = std::function<bool()>;
  /// Runs a job of some milliseconds on another thread, or says that it cannot.
  using Later = std::function<bool(Job)>;

  Prefetcher(Settings settings, BodyFetcher& fetcher, std::shared_ptr<store::MessageCache> bodies, InTheWay in_the_way,
             Later later);

  struct Listed {
    std::shared_ptr<const MessageTable> table;
    std::string path;  ///< of the mailbox: inode numbers are made of it
  };
  /// Somebody opens the message of `request`, whose mailbox is listed in `listed`. To be called before the fetcher's
  /// open(), so that this message can be the first of a set.
  void opened(const BodyFetcher::Request& request, const Listed& listed);

 private:
  class PrefetchSource;
  enum class Order : std::uint8_t { uid, inode };
  using Reader = std::pair<Order, AccessPattern::ReaderId>;
  struct Readers {
    AccessPattern by_uid;
    AccessPattern by_inode;
    std::shared_ptr<const InodeOrder> inodes;  ///< while there may be somebody who reads like that
    std::size_t strays = 0;                    ///< opens since the last that belonged to a reader
    std::size_t sort_at = 0;                   ///< strays that are worth another look at the order of inodes
    UidValidity uid_validity;
    std::set<Reader> fed;  ///< by a job that is under way
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
