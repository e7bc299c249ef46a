#pragma once
// The messages that a prefetch job has requested and that have not come, and the downloads that wait for them.
//
// A body that has come is taken out. What an answer leaves out, and at the end everything else, is returned to those
// who wait. Thread-safe; the mutex is a leaf.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "sync/bodies/download.hpp"

namespace imapfs::sync {

class ExpectedBodies {
 public:
  using Waiting = std::shared_ptr<Download>;

  /// Adds a set; returns the messages of it that must be requested.
  UidSet add(const std::vector<BodyFetcher::SetSource::Message>& messages);
  /// After a lost connection: returns everything that has not come, to be requested as one set.
  UidSet ask_again();
  [[nodiscard]] bool contains(Uid uid) const;
  /// Makes `download` wait for the message. False if it is not expected, if another download waits for it, or if more
  /// than `most` bytes come before it.
  [[nodiscard]] bool wait(Uid uid, const Waiting& download, std::uint64_t most);
  struct Begun {
    std::uint64_t size = 0;  ///< RFC822.SIZE
    bool waited_for = false;
  };
  /// The message begins to arrive; it stays expected until it is taken. Nothing if it is not expected.
  [[nodiscard]] std::optional<Begun> begin(Uid uid);
  /// Stops expecting the message; returns the download that waits for it, or null.
  [[nodiscard]] Waiting take(Uid uid);
  /// Set `number` since the last connection is answered; returns the downloads whose messages did not come.
  [[nodiscard]] std::vector<Waiting> answered(std::size_t number);
  /// Nothing more will come: returns the waiting downloads, and nobody can wait any more.
  [[nodiscard]] std::vector<Waiting> end();

 private:
  struct Expected {
    std::uint64_t size = 0;
    std::uint64_t position = 0;  ///< bytes requested before it
    std::uint64_t set = 0;       ///< its set's number
    Waiting waiting;
  };

  mutable std::mutex mutex_;
  std::map<Uid, Expected> expected_;
  std::uint64_t asked_bytes_ = 0;
  std::uint64_t arrived_bytes_ = 0;
  std::uint64_t sets_ = 0;
  std::uint64_t first_set_ = 1;  ///< on this connection
  bool ended_ = false;
};

}  // namespace imapfs::sync
