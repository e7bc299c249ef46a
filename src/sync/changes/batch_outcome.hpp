#pragma once
// What the answer to a batch means for each of its changes: ended, to be looked up, to be sent again, or to be sent in
// smaller batches.
//
// On the thread "journal", which alone touches its state.

#include <memory>
#include <vector>

#include "sync/changes/batch.hpp"
#include "sync/changes/change_result.hpp"
#include "sync/changes/change_table.hpp"

namespace imapfs::sync {

class BatchOutcome {
 public:
  BatchOutcome(store::Journal& journal, SharedChangeTable& table);

  /// Those that have ended. All others are back in the queue.
  [[nodiscard]] ChangeResults classify(const ChangeBatch& batch, const Result<void>& result);
  /// The server answers, or may be reached again: the next lost connection is the first in a row.
  void forget_failures() { failures_ = 0; }

 private:
  using Ids = std::vector<ChangeId>;
  /// How often, and after which pauses, changes are tried again that ended without an outcome.
  struct Perseverance {
    unsigned attempts;
    SteadyClock::duration first_pause;
    SteadyClock::duration longest_pause;
  };
  void classify_undecided(const ChangeBatch& batch, const Ids& ids, const Error& error, ChangeResults& results);
  void send_again(const ChangeBatch& batch, const Ids& ids, ChangeResults& results);
  void give_up_appends(const ChangeBatch& batch, ChangeResults& results);
  void try_later(const ChangeBatch& batch, const Ids& ids, bool look_up, const Error& error,
                 const Perseverance& perseverance, ChangeResults& results);
  void wait_for_server(const ChangeBatch& batch, const Ids& ids, bool look_up, const Error& error);
  void split(const ChangeBatch& batch, const Ids& ids, const Error& error, ChangeResults& results);
  [[nodiscard]] bool divide(const Ids& ids);
  void put_back(const Ids& ids, bool look_up, const std::shared_ptr<ArrivalGuard>& guard, SteadyClock::duration pause);
  void clear_sent(const Ids& ids);
  void refuse_staged(const store::JournalChange& change, const Error& reason);

  store::Journal& journal_;
  SharedChangeTable& table_;
  std::uint64_t groups_ = 0;
  unsigned failures_ = 0;  ///< connections lost in a row
};

}  // namespace imapfs::sync
