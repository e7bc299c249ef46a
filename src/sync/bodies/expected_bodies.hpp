#pragma once
// The messages that a prefetch job has asked for and that have not come, and the downloads that wait for them.
//
// A body is taken out when it has come; what an answer left out, and at the end everything else, is given back to those
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

  /// A further set; those of it that must be asked for.
  UidSet add(const std::vector<BodyFetcher::SetSource::Message>& messages);
  /// After a lost connection: everything that has not come, to be asked for in one set.
  UidSet ask_again();
  [[nodiscard]] bool contains(Uid uid) const;
  /// From here on `download` waits for the message. False: it is not expected, or somebody waits, or more than `most`
  /// bytes come before it.
  [[nodiscard]] bool wait(Uid uid, const Waiting& download, std::uint64_t most);
  struct Begun {
    std::uint64_t size = 0;  ///< RFC822.SIZE
    bool waited_for = false;
  };
  /// The message begins to come; it is expected until it is taken. None: it is not expected.
  [[nodiscard]] std::optional<Begun> begin(Uid uid);
  /// Expected no more; who waits for it, if anybody.
  [[nodiscard]] Waiting take(Uid uid);
  /// The answer to that set since the last connection is over; who waits for what did not come.
  [[nodiscard]] std::vector<Waiting> answered(std::size_t number);
  /// Nothing comes any more, and nobody can wait.
  [[nodiscard]] std::vector<Waiting> end();

 private:
  struct Expected {
    std::uint64_t size = 0;
    std::uint64_t position = 0;  ///< bytes that were asked for before it
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
