#pragma once
// What the process that holds an account's directory says of itself in the directory's lock file, for the next one that
// comes: where its mount is, and whether it is ending.
//
// The lock itself is flock(2) on that file, so a note of a process that died is worth nothing: whoever gets the lock
// empties the file. Threads: any; the file is written by its holder's main thread only.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace imapfs::store {

struct LockNote {
  pid_t process = 0;                  ///< 0: nothing is said
  bool ending = false;                ///< the mount is gone; changes are on their way to the server
  std::chrono::seconds patience{0};   ///< how long ending may take
  std::uint64_t mount_namespace = 0;  ///< where it is mounted
  dev_t device = 0;                   ///< of the mount; 0: not mounted yet
  std::string mountpoint;
};

/// Says it in `directory`/lock. What cannot be written is not said.
void write_lock_note(const std::string& directory, const LockNote& note);
/// Nothing (process 0) if there is none, or if it is being written just now.
LockNote read_lock_note(const std::string& directory);

/// True if the note says so, or if its mount is gone from this process's own mount namespace: the holder has not
/// noticed yet.
bool is_ending(const LockNote& note);

/// How to wait for a holder that is ending. By default nobody waits.
struct LockWait {
  /// Called once, before the wait. Empty: no wait.
  std::function<void(const LockNote&)> begun;
  std::stop_token stop;
};

/// Tries `lock` until it returns true, as long as the holder is ending and not longer than it said. A holder in another
/// mount namespace is given a moment to say that it is ending. Whether `lock` returned true.
bool await_lock(const std::string& directory, const LockWait& wait, const std::function<bool()>& lock);

}  // namespace imapfs::store
