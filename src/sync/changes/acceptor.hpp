#pragma once
// From a request to the journal: what may be done is checked at once, the rest happens on the thread "journal", for all
// requests that have come meanwhile in one transaction. Their effect shows, and `accepted` is called, when that is
// done.
//
// submit(), restore() and close() may be called from any thread and return at once. Errors go to `accepted`: those of
// ChangeRights, ESTALE, EAGAIN when too many changes wait, ECANCELED at the end. One lock, a leaf.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sync/changes/change_effects.hpp"
#include "sync/changes/change_rights.hpp"
#include "sync/changes/own_arrivals.hpp"
#include "sync/changes/runner.hpp"

namespace imapfs::sync {

class Acceptor {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    store::Journal& journal;
    const Locations& locations;
    const RemovalPlanner& removals;
    const ChangeRights& rights;
    const ChangeEffects& effects;
    const OwnArrivals& own_arrivals;
    OwnRemovals& own_removals;
    ChangeWaiters& waiters;
    Runner& runner;
    std::function<std::shared_ptr<const MailboxTree>()> tree;
    bool write_behind;
  };
  explicit Acceptor(Dependencies dependencies);

  void submit(ChangeRequest request);
  /// As MessageChanger::restore(). In .deleted a message may be seen before it is flagged: this waits for that.
  void restore(const ChangeSource& source, const std::string& file_name, ChangeReply reply);
  /// What was submitted. On the thread "journal".
  void accept_submitted();
  /// Requests whose rights were checked. On the thread "journal".
  void accept(std::vector<ChangeRequest> requests);
  void close();

 private:
  void restore_now(const ChangeSource& source, const std::string& file_name, ChangeReply reply);
  [[nodiscard]] Result<PendingChange> prepare(ChangeRequest& request);
  [[nodiscard]] Result<void> set_target(store::JournalChange& change, const ArrivalTarget& target);
  [[nodiscard]] Result<void> resolve_source(const ChangeSource& source, store::JournalChange& change);
  [[nodiscard]] bool follow_bringing(ChangeId bringing, store::JournalLocation& message, store::JournalChange& change);
  [[nodiscard]] bool follow_move(const store::JournalLocation& message, store::JournalChange& change);
  void commit(std::vector<PendingChange> prepared);
  void add(std::vector<PendingChange> prepared, const std::vector<store::JournalChange>& changes);
  void note_own_removals(const std::vector<store::JournalChange>& changes);

  const Dependencies dependencies_;
  Guarded<std::vector<ChangeRequest>> waiting_;
};

}  // namespace imapfs::sync
