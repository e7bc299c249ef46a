#pragma once
// How fast a connection is while it is busy: bytes per second of bulk transfers that have waited for the server or the
// link most of their time.
//
// A connection that has just been opened is slow whatever the link is, since TCP sends little at first. So the best of
// several pieces counts. Made for one transfer. One thread.

#include <cstddef>
#include <functional>
#include <utility>

#include "imapfs/base/executor.hpp"

namespace imapfs::imap {

class TransferMeter {
 public:
  /// Bytes per second.
  using OnMeasured = std::function<void(double)>;

  explicit TransferMeter(OnMeasured on_measured) : on_measured_(std::move(on_measured)) {}

  /// A read has returned at `now` with `bytes`, as they are before they are compressed, after it had `waited` for the
  /// connection.
  void read(std::size_t bytes, SteadyClock::duration waited, SteadyClock::time_point now);

 private:
  void end_piece(SteadyClock::time_point now);

  const OnMeasured on_measured_;
  SteadyClock::time_point piece_began_{};
  SteadyClock::duration waited_{};
  std::size_t bytes_ = 0;
  std::size_t pieces_ = 0;
  double best_ = 0;
};

}  // namespace imapfs::imap
