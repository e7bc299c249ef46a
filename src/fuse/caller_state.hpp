#pragma once
// What the kernel says of a thread that waits for us: which process it belongs to, whether it is ending, and by what.
//
// Reads procfs only, and never waits, so any thread may call it. That is not true of all of procfs: since Linux 6.18
// reading /proc/TID/stat waits for an execve(2) of that process, and the execve waits for us when it closes a file of
// the mount (O_CLOEXEC). Therefore `stat` is read only of a thread whose memory is gone, which is ending and can
// execute nothing any more; /proc/TID/status, which is read of all, takes no such lock. It costs about 15 microseconds,
// so it is for interrupts and for open and close of written files, not for every request. What cannot be read (a thread
// of another PID namespace, a procfs that hides the processes of others) is not known, and a thread that is not known
// is taken for one that lives on.

#include <sys/types.h>

#include <string>

namespace imapfs::fuse {

struct CallerState {
  bool known = false;
  /// The thread group: a file is uploaded when the process that opened it closes it, whichever of its threads does. 0
  /// if it is not known.
  pid_t process = 0;
  /// PF_EXITING: the thread is inside exit; its open files are being closed for it.
  bool exiting = false;
  /// PF_SIGNALED: it ends by a signal. Also set for the other threads of a process one of whose threads has called
  /// exit_group(2): `exit_code` tells the two apart.
  bool signaled = false;
  /// A signal is pending that will end it: SIGKILL, which the kernel makes of most signals that nobody catches, or one
  /// that writes a core and is neither caught, blocked nor ignored.
  bool kill_pending = false;
  /// As waitpid(2) gives it: the low seven bits are the signal that ended the process. 0 before the end, and where we
  /// may not read it (another user's process).
  int exit_code = 0;

  /// It ends by a signal: nobody will see the answer of its system call. One that exits by itself waits for the close
  /// of its files, and so does whoever waits for it.
  [[nodiscard]] bool being_killed() const { return kill_pending || (exiting && (exit_code & 0x7f) != 0); }
  /// The process ends by a signal: what the kernel closes for it is not complete. `ours`: we may read its exit code, as
  /// root or as the same user. Without it, a thread that exit_group(2) of another has ended counts as killed.
  [[nodiscard]] bool ended_by_signal(bool ours) const {
    if (!exiting) return false;
    return ours ? (exit_code & 0x7f) != 0 : signaled;
  }
};

/// `procfs` is for tests.
[[nodiscard]] CallerState caller_state(pid_t thread, const std::string& procfs = "/proc");

}  // namespace imapfs::fuse
