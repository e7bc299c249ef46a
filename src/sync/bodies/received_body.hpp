#pragma once
// What has come of one message: the cache's file, which of its bytes are present, and its length once that is proved.
//
// The running job writes and proves the length; readers take slices meanwhile. Until the length is proved, slices end
// below the told size: the last byte of the file as the kernel knows it must not be read before the kernel can learn
// that more follows.
//
// Errors: those of the cache (ENOSPC). Threads: any may read; one at a time writes. The mutex is a leaf and is never
// held during calls of the cache or `on_arrival`. Refers to its owner's request and dependencies.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "sync/bodies/byte_ranges.hpp"
#include "sync/bodies/download_dependencies.hpp"

namespace imapfs::sync {

class ReceivedBody {
 public:
  /// Called when `bytes` more have come, and with 0 when the length has been proved.
  using OnArrival = std::function<void(std::uint64_t bytes)>;

  ReceivedBody(DownloadDependencies& dependencies, const BodyFetcher::Request& request, OnArrival on_arrival);

  // -- the connection's side --
  /// Call it before the command, so that a full disk does not cost the connection. Does nothing if there is a file
  /// already.
  Result<void> create_file();
  /// False if the bytes are in memory because the disk could not take them.
  [[nodiscard]] bool on_disk() const;
  /// Bytes that are present are not written again.
  Result<void> write(std::uint64_t offset, std::span<const char> bytes);
  void prove_length(std::uint64_t length);
  /// A literal may have a wrong length, which shows only at its end, so nothing is corrected by it before. Proves the
  /// length if it equals the told size, or if it is so large that readers could not wait.
  void prove_if_credible(std::uint64_t length);
  /// From now on only the ranges that are read are fetched.
  void fetch_by_ranges();
  /// The whole message will be fetched after all; bytes that have come are ignored.
  void start_over();
  /// Gives the file its name in the cache, once.
  void commit_if_whole();
  /// The end of the bytes that readers got before the length was proved.
  [[nodiscard]] std::uint64_t given_early() const;

  // -- the readers' side --
  /// The proved length; before that, the told size.
  [[nodiscard]] std::uint64_t length() const { return length_to_tell_; }
  [[nodiscard]] bool length_is_proved() const { return proved_; }
  [[nodiscard]] bool whole() const { return whole_; }
  [[nodiscard]] std::optional<std::uint64_t> proved_length() const;
  [[nodiscard]] bool by_ranges() const;
  [[nodiscard]] bool can_answer(ByteSpan span) const;
  /// Nothing if can_answer() is false.
  [[nodiscard]] std::optional<BodySlice> slice(ByteSpan span);
  [[nodiscard]] std::optional<ByteSpan> first_gap(ByteSpan span) const;
  /// The start of the gap that contains `offset`.
  [[nodiscard]] std::uint64_t gap_start(std::uint64_t offset) const;

 private:
  [[nodiscard]] bool may_give(ByteSpan span) const;

  DownloadDependencies& dependencies_;
  const BodyFetcher::Request& request_;
  const OnArrival on_arrival_;
  std::atomic<std::uint64_t> length_to_tell_;
  std::atomic<bool> proved_{false};  ///< set after length_to_tell_
  std::atomic<bool> whole_{false};   ///< every byte is present

  mutable std::mutex mutex_;
  std::shared_ptr<store::BodyWriter> writer_;  ///< set once; only the running job writes to it
  std::optional<std::uint64_t> length_;
  ByteRanges present_;
  std::uint64_t given_early_ = 0;
  bool by_ranges_ = false;
  bool committed_ = false;
};

}  // namespace imapfs::sync
