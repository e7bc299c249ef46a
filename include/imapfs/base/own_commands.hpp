#pragma once
// Programs that this process has started and waits for. If such a program asked the mount for something, both would
// wait for each other: the fuse layer asks here before it accepts a request.
//
// Threads: any. Cost: none while no such program runs, else one system call per question.

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
  /// Whether the thread belongs to one of these programs.
  [[nodiscard]] bool include(pid_t thread) const;

 private:
  std::atomic<std::size_t> count_{0};
  mutable std::mutex mutex_;
  std::set<pid_t> groups_;
};

OwnCommands& own_commands();

}  // namespace imapfs
