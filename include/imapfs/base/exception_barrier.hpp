#pragma once
// Where threads run what others gave them: what that throws ends here, as an Error and a line in the log, and the
// thread goes on. An exception is a defect of ours or of a library; it must not cost the mount.
//
// Every thread's loop calls its work through this, and whoever calls several jobs or completions in a row calls each
// through it, so that one does not take the others along. Any thread.

#include <functional>
#include <string_view>

#include "imapfs/base/result.hpp"

namespace imapfs {

/// Calls `work`. EIO, scope request, Retry::never, if it throws; `what` says in the log what was being done.
Result<void> run_contained(std::string_view what, const std::function<void()>& work) noexcept;

}  // namespace imapfs
