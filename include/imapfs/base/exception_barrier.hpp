#pragma once
// The place where a thread runs code that others gave it. An exception of that code ends here, as an Error and a line
// in the log, and the thread goes on. An exception is a defect of ours or of a library; it must not cost the mount.
//
// Every thread's loop calls its work through run_contained(). Code that calls several jobs or completions in a row
// calls each of them through it, so that one that throws does not prevent the others. Threads: any.

#include <functional>
#include <string_view>

#include "imapfs/base/result.hpp"

namespace imapfs {

/// Calls `work`. If it throws: EIO, scope request, Retry::never. `what` tells the log what was being done.
Result<void> run_contained(std::string_view what, const std::function<void()>& work) noexcept;

}  // namespace imapfs
