#pragma once
// What the table shows during our own changes: messages that are being removed are hidden, arriving ones are held back
// until they have their names.
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

  /// Stops listing messages that are being removed, without news of them.
  void hide(const UidSet& uids);
  /// As hide(), for messages about to be flagged \Deleted: they are in .deleted at once.
  void hide_into_deleted(const UidSet& uids);
  /// The server refused, or the change ended without removing the messages: they are shown again, as news. Those that
  /// are \Deleted by now are listed in .deleted, which is how our removal ends under on-delete=flag.
  void show_again(const UidSet& uids);
  /// Enclose a command that brings messages. Until its end new rows are held back, so that nobody sees one under a name
  /// that is not its own. May be nested. `own`: the messages it brought, with their given names (empty: the
  /// template's); they appear as our own, the other rows as news.
  void begin_arrivals();
  struct OwnArrival {
    Uid uid;
    std::string file_name;
  };
  void end_arrivals(UidValidity validity, const std::vector<OwnArrival>& own);
  /// No news of this message, only of others that get other names; `replaces` is being removed (0: none).
  void set_local_name(Uid uid, const std::string& name, Uid replaces = {});

  // -- with the lock held --
  /// Whether a command of ours is bringing messages.
  [[nodiscard]] bool arriving() const { return arrivals_ > 0; }
  /// A new row is about to enter the table: hides it if it may be one that our command brings.
  void hold_back(Uid uid);
  /// The row has entered. No news in a first listing, unless it is ours.
  void row_added(Uid uid, bool listing);
  void row_removed(WritableMessageTable::Removed removed);
  /// These messages will not come any more.
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
  std::set<Uid> held_back_;   ///< rows that came meanwhile and are hidden only for that
  std::set<Uid> expected_;    ///< brought by us, without a row yet
};

}  // namespace imapfs::sync
