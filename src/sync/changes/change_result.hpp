#pragma once
// How a change ended, before that is recorded. Plain data.

#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

struct ChangeResult {
  ChangeId id;
  bool succeeded = true;
  store::JournalLocation arrived;  ///< where its message is now
  Error error;
  bool keeps_staged = false;  ///< of an append that has succeeded: its file holds something else by now

  static ChangeResult refused(ChangeId id, Error error) { return {id, false, {}, std::move(error), false}; }
};
using ChangeResults = std::vector<ChangeResult>;

}  // namespace imapfs::sync
