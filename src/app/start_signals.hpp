#pragma once
// Signals that ask for the end while the mount is being made: whatever the start waits for is then cancelled.
//
// The thread "start-signals" reads them from the daemon's signalfd for as long as this object lives; afterwards they
// are read by run(). SIGUSR1 is taken and forgotten: there is nothing to dump yet.

#include <atomic>
#include <stop_token>
#include <thread>

namespace imapfs::app {

class StartSignals {
 public:
  explicit StartSignals(int signals);
  StartSignals(const StartSignals&) = delete;
  StartSignals& operator=(const StartSignals&) = delete;
  ~StartSignals() { end(); }

  /// For what the start waits for.
  [[nodiscard]] std::stop_token token() const { return asked_.get_token(); }
  /// Joins. Idempotent.
  void end();
  /// The signal that asked for the end; 0: none has.
  [[nodiscard]] int number() const { return number_; }

 private:
  void watch(const std::stop_token& stop);

  const int signals_;
  const int wake_;
  std::atomic<int> number_{0};
  std::stop_source asked_;
  std::jthread thread_;
};

}  // namespace imapfs::app
