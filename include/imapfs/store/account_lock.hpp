#pragma once
// The note that the holder of an account's directory writes into its lock file for the next process: where its mount
// is, and whether it is ending.
//
// The lock itself is flock(2) on that file. The note of a dead process is worthless: whoever gets the lock empties the
// file. Threads: any; only the holder's main thread writes the file.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace imapfs::store {

struct LockNote {
  pid_t process = 0;                  ///< 0: there is no note
  bool ending = false;                ///< the mount is gone; changes are on their way to the server
  std::chrono::seconds patience{0};   ///< how long ending may take
  std::uint64_t mount_namespace = 0;  ///< the namespace of the mount
  dev_t device = 0;                   ///< of the mount; 0: not mounted yet
  std::string mountpoint;
};

/// Writes the note to `directory`/lock; ignores errors.
void write_lock_note(const std::string& directory, const LockNote& note);
/// An empty note (process 0) if there is none, or if one is being written right now.
LockNote read_lock_note(const std::string& directory);

/// Whether the note says so, or its mount is gone from this process's mount namespace (the holder may not have
/// noticed).
bool is_ending(const LockNote& note);

/// How to wait for a holder that is ending. By default there is no wait.
struct LockWait {
  /// Called once, before the wait. Empty: do not wait.
  std::function<void(const LockNote&)> begun;
  std::stop_token stop;
};

/// Tries `lock` until it returns true, while the holder is ending and no longer than its note allows. A holder in
/// another mount namespace gets a moment to write that it is ending. Returns whether `lock` returned true.
bool await_lock(const std::string& directory, const LockWait& wait, const std::function<bool()>& lock);

}  // namespace imapfs::store
