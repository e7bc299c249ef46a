#pragma once
// Programs that this process has started and waits for. What such a program asks of the mount would wait for what the
// program is to bring: the fuse layer asks here before it lets a request in.
//
// Threads: any. Costs nothing while no such program runs, else a system call for each question.

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <set>

namespace imapfs {

class OwnCommands {
 public:
  /// The process group of a program that has just been started.
  void add(pid_t group);
  void remove(pid_t group);
  /// Whether a thread belongs to one of them.
  [[nodiscard]] bool include(pid_t thread) const;

 private:
  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;
  std::set<pid_t> groups_;
};

OwnCommands& own_commands();

}  // namespace imapfs
