#pragma once
// The last seconds of a mount: changes that were accepted get time to reach the server.

#include <chrono>
#include <functional>
#include <string>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::app {

/// Blocks until what `drain` starts has ended: success. Otherwise why not: its own Error, ETIMEDOUT after `patience`,
/// or EINTR when one of SIGTERM, SIGINT and SIGHUP is to be read from `signals`, a signalfd (-1: none). The completion
/// may come later, too.
Result<void> await_last_changes(const std::function<void(Completion<void>)>& drain, std::chrono::milliseconds patience,
                                int signals);

/// What waits in a journal: "3 changes and 1 file"; empty if nothing does.
std::string describe_waiting(store::Journal& journal);

/// The files of an earlier mount that are for the user to deal with: "2 files not uploaded, and in .imapfs/outbox: a,
/// b"; empty for none.
std::string describe_outbox(store::Journal& journal);

}  // namespace imapfs::app
