#pragma once
// One change of a batch, and what has become of it. Plain data.

#include <cstdint>
#include <vector>

#include "imapfs/base/result.hpp"
#include "imapfs/store/journal.hpp"

namespace imapfs::sync {

struct BatchItem {
  enum class Outcome : std::uint8_t {
    none,
    done,     ///< carried out; `arrived` says where the message is now
    refused,  ///< `error` says why
    look_up,  ///< the server did not say what became of it
    again,    ///< nothing has happened to it: it can be sent again
  };
  store::JournalChange change;
  Outcome outcome = Outcome::none;
  store::JournalLocation arrived;
  Error error;
  bool keeps_staged = false;  ///< of an append that is done: its file holds something else by now
};
using BatchItems = std::vector<BatchItem>;

/// The sources of those that have no outcome.
[[nodiscard]] UidSet uids_without_outcome(const BatchItems& items);
/// Those without an outcome are done; their messages are in the mailbox of `where` under the UIDs they had. An empty
/// name: where their items say.
void finish_all(BatchItems& items, const store::JournalLocation& where);

}  // namespace imapfs::sync
