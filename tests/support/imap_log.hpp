#pragma once
// The commands that an ImapServer has received, for tests that count them. Any thread.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "process.hpp"

namespace imapfs::testing {

class ImapLog {
 public:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    int connection;
    Clock::time_point at;
    std::string line;  ///< without literals
  };

  void add(int connection, std::string line);
  [[nodiscard]] std::vector<Entry> entries() const;
  /// Commands whose lines contain `part`, from `since` on.
  [[nodiscard]] std::size_t count(const std::string& part, Clock::time_point since = {}) const;
  /// The number of commands of the connection that has sent most of them from `since` on.
  [[nodiscard]] std::size_t most_of_one_connection(Clock::time_point since) const;
  /// Waits until there are `times` commands that contain `part`.
  bool wait_for(const std::string& part, std::size_t times = 1, int seconds = patient_seconds) const;
  /// All lines, for the message of a failure.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::size_t matches(const std::string& part, Clock::time_point since) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  std::vector<Entry> entries_;
};

}  // namespace imapfs::testing
