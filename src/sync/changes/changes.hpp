#pragma once
// The executor of changes: accepts what users want done to messages, writes it to the journal, carries it out in the
// background in as few commands as there are, looks up what became of commands whose answer was lost, and takes back
// what the server has refused. This class puts the parts together, starts and stops them; each does one of these.
//
// A change goes through: submitted (any thread; Acceptor, Appends) -> in the journal, its effect shown, `accepted`
// called (thread "journal") -> part of a batch (Runner; a pool's thread) -> recorded as ended in the journal
// (ChangeRecorder) -> the destination shows what has come (ArrivalPublisher) -> `finished` called (ChangeWaiters).
// Unfinished changes survive stop(), kill -9 and restarts: start() takes them up.
//
// Threads: all public functions may be called from any thread and return at once, except start(), rename_mailbox(),
// stop() and close(). All decisions are made on the thread "journal", which also writes to the journal; only
// mark_sent() and describe() are called from the pool's threads. Locks: one for the table of changes, one in each part
// that several threads touch; all are leaves.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sync/changes/appends.hpp"
#include "sync/changes/given_names.hpp"
#include "sync/changes/mailbox_clearing.hpp"

namespace imapfs::sync {

class Changes {
 public:
  struct Dependencies {
    const SyncSettings& settings;
    store::Journal& journal;
    ChangeListener& listener;
    std::function<void(imap::PoolJob)> submit;
    std::function<void(SteadyClock::duration, Job)> later;  ///< the job must only post
    std::function<MailboxPointer(MailboxId)> mailbox;
    std::function<MailboxPointer(const std::string& name)> mailbox_by_name;
    /// When the stored rows of the mailbox are in its table.
    std::function<void(const MailboxPointer&, Job)> with_rows;
    /// Its rows and cached bodies are of other messages than the server has by these UIDs: forgotten, and listed anew.
    std::function<void(const MailboxPointer&)> list_anew;
    /// A sync that begins from now on has ended.
    std::function<void(const MailboxPointer&, Completion<void>)> bring_in_step;
    std::function<std::shared_ptr<const MailboxTree>()> tree;
    std::function<imap::Capabilities()> capabilities;
    std::function<bool()> online;
    /// The server has refused what its rights seemed to allow.
    std::function<void(const MailboxPointer&)> ask_rights;
  };

  explicit Changes(Dependencies dependencies);
  ~Changes();
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;

  /// Takes up what an earlier process has left. Blocks; before anything else, when the mailboxes are known.
  Result<void> start();
  /// Nothing is sent any more. Before the pool is closed.
  void stop() { thread_.stop(); }
  /// Ends the thread; whoever still waits gets ECANCELED. After the pool was closed. Idempotent.
  void close();

  // -- as in Account --
  void copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply);
  void move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply);
  void remove_message(const ChangeSource& source, ChangeReply reply);
  void expunge_message(const ChangeSource& source, ChangeReply reply);
  void restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply);
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done);
  void upload(const Upload& upload, Completion<Arrival> done);
  void drain(MailboxId mailbox, Completion<void> done);
  /// `then`: what was accepted for this message so far has ended. EHOSTUNREACH as soon as there is no connection,
  /// ECANCELED at the end.
  void after_changes_of(const MessageLocation& message, Completion<void> then);
  [[nodiscard]] std::vector<PendingArrival> pending_arrivals() const;
  void await_change(ChangeId change, Completion<Arrival> finished);

  void on_online(bool online);
  /// After RENAME was carried out: what is said of `from` and below is said of `to`. Blocks on the disk.
  void rename_mailbox(const std::string& from, const std::string& to, char delimiter);
  /// The tree shows the new name: what is under way in `renamed` and below shows its effect there as well.
  void show_effects_in(const std::string& renamed, char delimiter);
  /// What rmdir may take along.
  [[nodiscard]] OwnRemovals& own_removals() { return own_removals_; }
  /// Takes these messages of `mailbox`, which are flagged \Deleted, out of it, each by a change of its own: moves them
  /// to the trash, without the flag, or expunges them if `trash` is null. `done`: all have ended, or could not be
  /// accepted.
  void clear_out(MailboxId mailbox, const UidSet& uids, MailboxPointer trash, Completion<void> done);
  /// For /.imapfs/status.
  struct Status {
    std::size_t pending = 0;
    std::uint64_t refused = 0;
    std::int64_t oldest_seconds = 0;
  };
  [[nodiscard]] Status status() const;

 private:
  const Dependencies dependencies_;
  ChangeThread thread_;  ///< its jobs use the rest: close() ends it first
  SharedChangeTable table_;
  OwnArrivals own_arrivals_;
  OwnRemovals own_removals_;
  const Locations locations_;
  const RemovalPlanner removals_;
  const CommandDependencies commands_;
  const ChangeRights rights_;
  const ChangeEffects effects_;
  DispatchTimer timer_;
  ChangeWaiters waiters_;
  Refusals refusals_;
  ArrivalPublisher publisher_;
  ChangeRecorder recorder_;
  Runner runner_;
  Acceptor acceptor_;
  GivenNames names_;
  MailboxClearing clearing_;
  Appends appends_;
};

}  // namespace imapfs::sync
