#pragma once
// One message on its way from the server into the cache: brings together those who read it (DownloadReaders), what has
// come (ReceivedBody) and the job that fetches it (DownloadJob, or a PrefetchJob).
//
// At most one job brings it at a time. A job of its own fetches the whole message or one range; then the next range is
// chosen from what readers wait for. A download that nobody wants any more is broken off if much is still to come.
//
// Errors: whoever waits gets that of the job, and a later read tries again; after a length that contradicts an earlier
// one, every read of absent bytes fails with EIO. Threads: any. The mutex guards the fields below it; the lock of
// ReceivedBody is taken under it, and it is never held while a completion, the pool or the cache is called. Jobs and
// Bodies keep the download alive.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>

#include "sync/bodies/download_dependencies.hpp"
#include "sync/bodies/download_readers.hpp"
#include "sync/bodies/received_body.hpp"

namespace imapfs::sync {

class Download : public std::enable_shared_from_this<Download> {
 public:
  using OpenDone = DownloadReaders::OpenDone;

  Download(std::shared_ptr<DownloadDependencies> dependencies, BodyFetcher::Request request);

  /// Opens a Body on this download, and starts it if need be; one that is to be read at `wanted` (empty: unknown)
  /// perhaps before the length is proved. False, with `done` untouched: it has ended in failure, a new one is needed.
  [[nodiscard]] bool join(OpenDone& done, ByteSpan wanted);
  /// Stops the job that runs; its waiters fail.
  void stop();

  // -- for the prefetch job that brings it --
  /// From here on it waits for that job, and no job of its own starts until it is detached. False: it has begun by
  /// itself.
  [[nodiscard]] bool attach_to_prefetch();
  /// The prefetch job brings it no more, or has brought it: if anybody still waits, it is fetched by itself.
  void detach();
  /// The message comes, on the pool's thread: its bytes are to be written to body() in order. An Error concerns this
  /// message alone: it is to be detached.
  Result<void> begin_prefetched(std::uint64_t length);
  void end_prefetched(std::uint64_t length);
  /// All bytes at once. They are in the cache already, unless it cannot take them.
  void complete_with(std::span<const char> bytes);

  // -- for its Bodies --
  void add_stream(ReadStream* stream);
  void remove_stream(ReadStream* stream);
  void read(ReadStream& stream, std::uint64_t offset, std::size_t length, Completion<BodySlice> done);
  [[nodiscard]] ReceivedBody& body() { return body_; }

  // -- for its own job --
  /// What readers want next; see DownloadReaders.
  [[nodiscard]] std::optional<ByteSpan> next_range(const ByteRanges& asked) const;
  /// The running command brings so many bytes more.
  void expect(std::uint64_t bytes);
  /// A message is immutable; a server that says otherwise cannot be read further under the length, or with the bytes,
  /// that readers have got. Returns the Error that they get.
  Error break_off(std::uint64_t length);

 private:
  using Lock = std::unique_lock<std::mutex>;
  /// Who brings it.
  enum class State : std::uint8_t {
    idle,
    fetching,  ///< a job of its own is queued or runs
    stopping,  ///< the same, and it was told to stop
    prefetching,
  };

  // Those with a Lock want it held and release it.
  void start_job(Lock lock);
  void finished(const Result<void>& result);
  void abandon_if_unwanted(Lock lock);
  void arrived(std::uint64_t bytes);
  void read_ahead();

  const std::shared_ptr<DownloadDependencies> dependencies_;
  const BodyFetcher::Request request_;
  ReceivedBody body_;

  mutable std::mutex mutex_;
  DownloadReaders readers_;
  State state_ = State::idle;
  bool ended_ = false;           ///< nobody can join any more
  std::optional<Error> broken_;  ///< what every read of absent bytes gets
  std::uint64_t expected_ = 0;   ///< bytes that the running command still has to bring
  std::stop_source stop_;
};

}  // namespace imapfs::sync
