#pragma once
// What the program owes the process it runs in, and who started it: limits, inherited descriptors, secrets in memory.

namespace imapfs::app {

/// At the start of the program, before there is a password: no core files, and no other process of the user may read
/// this one's memory. Programs that it starts are as usual again.
void protect_memory();

/// At the start: what is opened later must not become somebody's standard output.
void open_standard_descriptors();

/// In the daemon's process, before it opens anything: descriptors above 2 but `kept` are the caller's, who may wait for
/// their end (flock, pipes).
void close_inherited_descriptors(int kept);

/// A file that may grow no further is EFBIG for the write, not the end of the daemon; and as many descriptors may be
/// open as the hard limit allows.
void prepare_limits();

}  // namespace imapfs::app
