#pragma once
// Sets of messages on their way from the server into the cache, by one pool job that goes on for as long as its source
// has more to ask for.
//
// The session asks for a set while the last one still comes in. Small bodies are collected in memory and given to the
// cache whole, large ones become a Download when they begin. Whoever opens a message before it has come has a download
// that waits here (wait_for_prefetch). What does not come (a message that is gone, a connection that was lost once too
// often, a silent server, the end of the account) is detached, and whoever waits for it has an ordinary fetch, or its
// Error.
//
// Threads: any; bodies come on the pool's thread. No lock is held across a call of a download, the source, the pool or
// the cache. The job keeps it alive.

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "sync/bodies/downloads.hpp"
#include "sync/bodies/expected_bodies.hpp"

namespace imapfs::sync {

class PrefetchJob : public std::enable_shared_from_this<PrefetchJob>, private imap::BodySetSink {
 public:
  using OnEnd = std::function<void(const std::shared_ptr<PrefetchJob>&)>;

  PrefetchJob(std::shared_ptr<DownloadDependencies> dependencies, std::shared_ptr<Downloads> downloads,
              BodyFetcher::Request mailbox, std::shared_ptr<BodyFetcher::SetSource> source);

  /// Asks the source for the first set. False: it has none, and submit() must not be called.
  bool prepare();
  /// `on_end` is called after the source has been told.
  void submit(OnEnd on_end);
  /// From here on this job sees to it that `download` is served. False, and nothing has changed: it does not bring that
  /// message, or not soon.
  [[nodiscard]] bool wait_for_prefetch(const store::BodyKey& key, const std::shared_ptr<Download>& download);
  [[nodiscard]] bool brings(const store::BodyKey& key) const;
  void stop() { stop_.request_stop(); }

 private:
  // -- imap::BodySetSink, on the pool's thread --
  UidSet next_set() override;
  Result<void> begin(Uid uid, std::uint64_t length) override;
  Result<void> data(std::span<const char> bytes) override;
  Result<void> end() override;
  void answered(std::size_t number) override;

  Result<void> run(imap::Session& session, const CallContext& context);
  void finished(const Result<void>& result, const OnEnd& on_end);
  UidSet take_next();
  void begin_small(std::uint64_t length, std::uint64_t size);
  void begin_large(Uid uid, std::uint64_t length, std::uint64_t size);
  void end_small();
  void drop_large();
  [[nodiscard]] BodyFetcher::Request request_of(Uid uid, std::uint64_t size) const;

  const std::shared_ptr<DownloadDependencies> dependencies_;
  const std::shared_ptr<Downloads> downloads_;
  const BodyFetcher::Request mailbox_;
  const std::shared_ptr<BodyFetcher::SetSource> source_;
  std::stop_source stop_;
  ExpectedBodies expected_;

  // On the pool's thread only, after submit().
  UidSet prepared_;  ///< to be asked for before the source is asked again
  /// The body that comes: read over, kept in memory until it is whole, or taken by a download.
  enum class Arriving : std::uint8_t { nothing, small, large };
  Arriving arriving_ = Arriving::nothing;
  Uid arriving_uid_;
  std::uint64_t told_size_ = 0;  ///< by RFC822.SIZE, of a small one
  std::vector<char> small_;
  std::shared_ptr<Download> large_;
  std::uint64_t large_offset_ = 0;
  bool has_run_ = false;
};

}  // namespace imapfs::sync
