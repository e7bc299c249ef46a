#pragma once
// What the kernel says of a thread that waits for us: whether it is ending, and by what.
//
// Reads procfs only, which never waits: any thread may call it. It costs two small files (about 30 microseconds), so
// it is for interrupts and for the close of a written file, not for every request. What cannot be read (a thread of
// another PID namespace, a procfs that hides the processes of others) is not known, and a thread that is not known is
// taken for one that lives on.

#include <sys/types.h>

#include <string>

namespace imapfs::fuse {

struct CallerState {
  bool known = false;
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

  /// It ends by a signal: nobody will see the answer of its system call. One that exits by itself waits for the close of
  /// its files, and so does whoever waits for it.
  [[nodiscard]] bool being_killed() const { return kill_pending || (exiting && (exit_code & 0x7f) != 0); }
  /// The process ends by a signal: what the kernel closes for it is not complete. `ours`: we may read its exit code, as root
  /// or as the same user. Without it, a thread that exit_group(2) of another has ended counts as killed.
  [[nodiscard]] bool ended_by_signal(bool ours) const {
    if (!exiting) return false;
    return ours ? (exit_code & 0x7f) != 0 : signaled;
  }
};

/// `procfs` is for tests.
[[nodiscard]] CallerState caller_state(pid_t thread, const std::string& procfs = "/proc");

}  // namespace imapfs::fuse
