#pragma once
// Sets of messages on their way from the server into the cache. One pool job fetches sets as long as its source has
// more.
//
// The session asks for a set while the last one is still arriving. Small bodies are collected in memory and given to
// the cache whole; a large one becomes a Download when it begins. Whoever opens a message before it has come has a
// download that waits here (wait_for_prefetch). A download whose message does not come (it is gone, the connection was
// lost too often, the server is silent, the account ends) is detached: its readers then get an ordinary fetch, or its
// Error.
//
// Threads: any; bodies arrive on the pool's thread. No lock is held during calls of a download, the source, the pool or
// the cache. The pool's job keeps the object alive.

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

  /// Asks the source for the first set. False if it has none; then submit() must not be called.
  bool prepare();
  /// Calls `on_end` after the source has been told of the end.
  void submit(OnEnd on_end);
  /// Makes `download` wait for this job. False, with nothing changed: the job does not bring that message, or not soon.
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

  // Used only on the pool's thread, after submit().
  UidSet prepared_;  ///< to request before the source is asked again
  /// What happens to the arriving body: skipped, kept in memory until it is whole, or taken by a download.
  enum class Arriving : std::uint8_t { nothing, small, large };
  Arriving arriving_ = Arriving::nothing;
  Uid arriving_uid_;
  std::uint64_t told_size_ = 0;  ///< RFC822.SIZE of a small one
  std::vector<char> small_;
  std::shared_ptr<Download> large_;
  std::uint64_t large_offset_ = 0;
  bool has_run_ = false;
};

}  // namespace imapfs::sync
