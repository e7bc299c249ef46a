#pragma once
// Returns memory to the system that the C library keeps for later use.

namespace imapfs {

/// Gives free pages back to the system where the C library can (glibc). For use after work that needed much memory for
/// a moment: a listing of 100,000 messages leaves 8 MB of unused memory behind. Takes milliseconds; do not call it on a
/// thread that somebody waits for.
void give_back_free_memory();

}  // namespace imapfs
