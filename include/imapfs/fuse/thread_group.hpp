#pragma once
// Which process a thread belongs to.
//
// The kernel names the thread that asks; a file is uploaded when the process that opened it closes it, whichever of its
// threads does. Reads procfs only, which never waits: any thread may call it.

#include <sys/types.h>

#include <string>

namespace imapfs::fuse {

/// The thread group of `thread`; 0 if it is not known: no such thread (any more), or one (0) of a PID namespace that we
/// cannot see. `procfs` is for tests.
[[nodiscard]] pid_t thread_group_of(pid_t thread, const std::string& procfs = "/proc");

}  // namespace imapfs::fuse
