#pragma once
// Brings messages of one mailbox to another by COPY or MOVE, and takes them out of where they were; or finds out what a
// command has done whose answer was lost.
//
// A source goes only when its copy is seen in the destination. What has come is a matter of arrivals.hpp; what is seen
// of a message becomes the outcome of its item. Used for one run of a batch, on a pool's thread; no locks.

#include <map>
#include <memory>
#include <vector>

#include "sync/changes/arrival_guard.hpp"
#include "sync/changes/arrivals.hpp"
#include "sync/changes/batch_item.hpp"
#include "sync/changes/source_check.hpp"

namespace imapfs::sync {

/// What a run of a batch has come to, also when it ends with an Error.
struct BatchProgress {
  bool sent = false;  ///< a command that cannot simply be sent again
  bool used_move = false;
  std::shared_ptr<ArrivalGuard> guard;  ///< keeps what comes from being seen before it has its name
};

class CopyOrMove {
 public:
  struct Dependencies {
    MailboxPointer source;
    MailboxPointer destination;
    const CommandDependencies& commands;
    imap::Session& session;
    const CallContext& context;
  };
  CopyOrMove(BatchItems& items, BatchProgress& progress, Dependencies dependencies);

  Result<void> carry_out();
  /// An unknown outcome: first the source, then the destination, then only what is missing.
  Result<void> look_up();

 private:
  Result<void> mark_sent(const DestinationPoint& point);
  Result<imap::CopiedMessages> send(const UidSet& uids);
  Result<void> await_arrivals(const std::map<Uid, Uid>& told);
  Result<void> find_arrivals(const std::map<Uid, Uid>& told);
  [[nodiscard]] bool nothing_seen() const;
  [[nodiscard]] bool all_seen() const;
  Result<void> conclude(const std::vector<SeenSource>& seen, bool answered);
  void refuse_unless_arrived(BatchItem& item, bool present, bool answered);
  void note_gone(const UidSet& uids);
  Result<void> remove_sources(const UidSet& uids);
  Result<void> remove(const UidSet& uids);
  void show_flagged(const UidSet& uids);

  BatchItems& items_;
  BatchProgress& progress_;
  const Dependencies dependencies_;
  SourceCheck source_check_;
  const bool moves_;
  std::size_t unrecognised_ = 0;  ///< messages that have come to the destination, and nobody knows of which item
};

}  // namespace imapfs::sync
