#pragma once
// One message on its way from the server into the cache, and everybody who reads it meanwhile.
//
// At most one pool job runs for a transfer at a time; each fetches the whole message or one range, then the next is
// chosen from what readers wait for. The mutex guards the fields below it and is never held while a completion, the
// pool or the cache is called. Jobs and Bodies keep the transfer alive.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <vector>

#include "sync/bodies/body_fetcher.hpp"
#include "sync/bodies/byte_ranges.hpp"

namespace imapfs::sync {

/// What transfers need of the fetcher; lives as long as any of them.
class DownloadDependencies {
 public:
  DownloadDependencies(BodyFetcher::Settings settings, BodyFetcher::Submit submit,
                       std::shared_ptr<store::MessageCache> cache, BodyFetcher::OnExactSize on_exact_size);
  [[nodiscard]] const BodyFetcher::Settings& settings() const { return settings_; }
  [[nodiscard]] store::MessageCache& cache() const { return *cache_; }
  void exact_size(const BodyFetcher::Request& request, std::uint64_t length) const;
  /// After close(): `job.done` gets ECANCELED within the call.
  void submit(imap::PoolJob job);
  /// Waits for calls of submit() that are under way.
  void close();

 private:
  const BodyFetcher::Settings settings_;
  const BodyFetcher::Submit submit_;
  const std::shared_ptr<store::MessageCache> cache_;
  const BodyFetcher::OnExactSize on_exact_size_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::size_t submitting_ = 0;
  bool closed_ = false;
};

/// How one Body has been read so far.
struct ReadStream {
  std::uint64_t position = 0;  ///< where the last read ended
  std::uint64_t run = 0;       ///< octets read in sequence
  void note(std::uint64_t offset, std::uint64_t length);
  /// How much to fetch at once: 0 while the reader is not (yet) a sequential one.
  [[nodiscard]] std::uint64_t window() const;
};

/// Selects the mailbox of `request` for reading, unless it is. ESTALE where its UIDVALIDITY is another one.
Result<void> select_for_reading(const BodyFetcher::Request& request, imap::Session& session,
                                const CallContext& context);

class Download : public std::enable_shared_from_this<Download> {
 public:
  using OpenDone = Completion<std::shared_ptr<Body>>;

  Download(std::shared_ptr<DownloadDependencies> host, BodyFetcher::Request request);

  /// Opens a Body on this transfer, and starts it if need be; one that is to be read at `wanted` (empty: unknown)
  /// perhaps before the length is proved. False, with `done` untouched: it has ended in failure, a new one is needed.
  [[nodiscard]] bool join(OpenDone& done, ByteSpan wanted);
  /// Stops the job that runs; its waiters fail.
  void stop();

  // -- for the set that brings it --
  /// From here on it waits for a set, and no job of its own starts until it is let go. False: it has begun by itself.
  [[nodiscard]] bool carry();
  /// The set brings it no more, or has brought it: if anybody still waits, it is fetched by itself.
  void detach();
  /// The octets of the whole message, on the pool's thread, in order. An Error concerns this message alone: it is to be
  /// let go.
  Result<void> begin_carried(std::uint64_t length);
  Result<void> take_carried(std::uint64_t offset, std::span<const char> bytes) { return store(offset, bytes); }
  void end_carried(std::uint64_t length);
  /// All of them at once. They are in the cache already, unless it cannot take them.
  void complete_with(std::span<const char> bytes);

  // -- for its Bodies --
  void attach(ReadStream* stream);
  void detach(ReadStream* stream);
  [[nodiscard]] std::uint64_t length() const { return published_length_; }
  [[nodiscard]] bool length_is_proved() const { return proved_; }
  [[nodiscard]] bool whole() const { return whole_; }
  void read(ReadStream& stream, std::uint64_t offset, std::size_t length, Completion<BodySlice> done);

 private:
  class Sink;
  using Lock = std::unique_lock<std::mutex>;

  struct Opener {
    OpenDone done;
    ByteSpan wanted;
  };
  struct Reader {
    ByteSpan span;
    std::uint64_t window;
    Completion<BodySlice> done;
  };

  // body_fetcher_transfer.cpp; those with a Lock want it held and release it
  void start_job(Lock lock);
  [[nodiscard]] SteadyClock::duration patience() const;
  void finished(const Result<void>& result);
  [[nodiscard]] bool has_work() const;
  void abandon_if_unwanted(Lock lock);
  void read_ahead();
  [[nodiscard]] std::optional<ByteSpan> next_range() const;
  [[nodiscard]] ByteSpan shape(ByteSpan gap, const Reader& reader) const;
  [[nodiscard]] bool can_answer(ByteSpan span) const;
  [[nodiscard]] BodySlice give(ByteSpan span);
  void answer(Lock lock);

  // body_fetcher_job.cpp: on the pool's thread
  Result<void> run(imap::Session& session, const CallContext& context);
  Result<void> fetch(imap::Session& session, const CallContext& context);
  Result<void> create_writer();
  Result<void> fetch_first(imap::Session& session, bool partial, const CallContext& context);
  Result<void> fetch_head(imap::Session& session, const CallContext& context);
  Result<void> fetch_head_and_tail(imap::Session& session, const CallContext& context);
  Result<void> fetch_whole(imap::Session& session, const CallContext& context);
  Result<void> fetch_rest(imap::Session& session, ByteSpan rest, const CallContext& context);
  Result<void> fetch_range(imap::Session& session, ByteSpan range, const CallContext& context);
  Result<void> break_off(std::uint64_t length);
  [[nodiscard]] std::optional<std::uint64_t> known_length() const;
  [[nodiscard]] std::uint64_t given_early() const;
  void publish_length(std::uint64_t length);
  void publish_measured_length(std::uint64_t length);
  [[nodiscard]] bool may_be_published(std::uint64_t length) const;
  void expect(std::uint64_t octets);
  Result<void> store(std::uint64_t offset, std::span<const char> bytes);
  void commit_if_whole();

  const std::shared_ptr<DownloadDependencies> host_;
  const BodyFetcher::Request request_;
  std::atomic<std::uint64_t> published_length_;
  std::atomic<bool> proved_{false};  ///< set after published_length_
  std::atomic<bool> whole_{false};   ///< every octet is present

  mutable std::mutex mutex_;
  std::shared_ptr<store::BodyWriter> writer_;  ///< set once; written by the running job only
  std::optional<std::uint64_t> length_;
  ByteRanges present_;
  std::uint64_t given_early_ = 0;  ///< readers got octets up to here before the length was proved
  bool by_ranges_ = false;         ///< only what is read is fetched
  bool running_ = false;           ///< a job is queued or runs
  bool stopped_ = false;           ///< the running job was told to stop
  bool committed_ = false;
  bool ended_ = false;           ///< nobody can join any more
  std::optional<Error> broken_;  ///< what every read of absent octets gets
  std::uint64_t expected_ = 0;   ///< octets the running command still has to bring
  std::stop_source stop_;
  std::vector<Opener> openers_;
  std::vector<Reader> readers_;
  std::set<ReadStream*> streams_;
};

}  // namespace imapfs::sync
