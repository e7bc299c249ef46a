#pragma once
// What the table shows while changes of our own are under way: what is on its way out is hidden, what comes is held
// back until it has its name.
//
// The caller publishes. Threads: any, under the mailbox's lock (MailboxNews::lock). Refers to the other parts of its
// MailboxReplica.

#include <set>
#include <string>
#include <vector>

#include "sync/mailbox/row_news.hpp"

namespace imapfs::sync {

class OwnChanges {
 public:
  OwnChanges(WritableMessageTable& table, MailboxNews& news, MailboxRecord& record, RowNews& row_news)
      : table_(table), news_(news), record_(record), row_news_(row_news) {}

  /// On their way out: listed no more. Quiet.
  void hide(const UidSet& uids);
  /// The same for those that are about to be flagged \Deleted: they are in .deleted at once.
  void hide_into_deleted(const UidSet& uids);
  /// The server refused, or the change ended without taking them away: shown again, as news. Those that are \Deleted by
  /// now are listed in .deleted from here on, which is how a removal of ours ends under on-delete=flag.
  void show_again(const UidSet& uids);
  /// Between the two, around a command that brings messages here, new rows are held back, so that nobody sees one under
  /// a name that is not its own. Nested. `own`: what the command brought, with their local names (empty: the
  /// template's); they become visible quietly, the rest as news.
  void begin_arrivals();
  struct OwnArrival {
    Uid uid;
    std::string file_name;
  };
  void end_arrivals(UidValidity validity, const std::vector<OwnArrival>& own);
  /// Quiet but for others that have other names by this; `replaces` is on its way out (0: nobody).
  void set_local_name(Uid uid, const std::string& name, Uid replaces = {});

  // -- with the lock held --
  /// A command of ours is bringing messages.
  [[nodiscard]] bool arriving() const { return arrivals_ > 0; }
  /// A row is about to come that the table does not hold: hidden, if it may be one that a command of ours brings.
  void hold_back(Uid uid);
  /// It has come. Quiet in a first listing, unless it is ours.
  void row_added(Uid uid, bool listing);
  void row_removed(WritableMessageTable::Removed removed);
  /// These do not come any more.
  void forget(const UidSet& uids);
  void restart();

 private:
  using Place = MessageTable::Place;

  void show_arrival(Uid uid, const std::string& file_name);
  void place_arrival(Uid uid, const std::string& file_name);
  void show_held_back();
  void hide_from_news(const UidSet& uids);

  WritableMessageTable& table_;
  MailboxNews& news_;
  MailboxRecord& record_;
  RowNews& row_news_;
  std::size_t arrivals_ = 0;  ///< begun and not ended
  std::set<Uid> held_back_;   ///< rows that came meanwhile and are hidden for that reason only
  std::set<Uid> expected_;    ///< brought by us, no row yet
};

}  // namespace imapfs::sync
