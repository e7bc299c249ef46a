#pragma once
// The executor of changes: accepts what users want done to messages, writes it to the journal, carries it out in the
// background in as few commands as there are, looks up what became of commands whose answer was lost, and takes back
// what the server has refused.
//
// A change goes through: submitted (any thread) -> in the journal, its effect shown, `accepted` called (thread
// "journal") -> part of a batch (a pool's thread) -> recorded as ended in the journal -> the destination shows what has
// come -> `finished` called (thread "journal" or a sync's). Unfinished changes survive stop(), kill -9 and restarts:
// start() takes them up.
//
// Threads: all public functions may be called from any thread and return at once, except start(), rename_mailbox(),
// stop() and close(). All decisions are made on the thread "journal", which also writes to the journal; only
// mark_sent() is called from the pool's threads. One lock, a leaf.

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/executor.hpp"
#include "sync/changes/batch.hpp"
#include "sync/changes/change_kinds.hpp"
#include "sync/changes/own_removals.hpp"
#include "sync/changes/queue.hpp"

namespace imapfs::sync {

class Changes {
 public:
  struct Dependencies {
    const EngineSettings& settings;
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
  void stop();
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
  enum class Wish : std::uint8_t { copy, move, remove, expunge, restore };
  /// What a user wants, before it is a change.
  struct Submission {
    Wish wish = Wish::remove;
    ChangeSource source;
    ArrivalTarget target;  ///< copy, move; of restore the name
    ChangeReply reply;
  };
  /// How a change ended.
  struct Ending {
    ChangeId id;
    bool succeeded = true;
    store::JournalLocation arrived;
    Error error;
    bool keeps_staged = false;  ///< of an append that has succeeded: its file holds something else by now
  };
  struct UploadAttempt;
  using LocationKey = std::tuple<std::string, std::uint32_t, std::uint32_t>;
  struct Told {
    MailboxId mailbox;  ///< 0: all that the error is about
    MailboxId destination;
    Error error;
  };
  struct Unrecorded {
    std::vector<Ending> endings;
    std::shared_ptr<ArrivalGuard> hold;
  };
  struct State {
    ChangeQueue ledger;
    // What waits for a timer is kept here: the scheduler may outlive the mailboxes.
    std::vector<Unrecorded> unrecorded;                        ///< the journal's disk did not take it
    std::vector<std::shared_ptr<UploadAttempt>> reconnecting;  ///< to be looked up as soon as there is a connection
    std::vector<std::shared_ptr<UploadAttempt>> twins;         ///< wait for an upload that looks the same
    std::vector<Submission> submissions;
    std::vector<Job> jobs;
    std::optional<SteadyClock::time_point> dispatch_at;  ///< a timer is set
    /// Recorded as ended; the destination does not show yet what has come.
    std::map<ChangeId, std::shared_ptr<PendingChange>> concluding;
    std::set<std::shared_ptr<DrainWaiter>> settlers;
    std::map<ChangeId, store::JournalLocation> ended;  ///< the last ones: where their messages have come to
    std::set<LocationKey> ours;                        ///< the same by place
    std::vector<Told> untold;                          ///< errors that nobody was told of
    std::uint64_t refused = 0;
    std::uint64_t groups = 0;
    unsigned failures = 0;  ///< connections lost in a row
  };

  // mutations.cpp
  void post(Job job);
  void wake();
  void turn();
  void dispatch_soon(SteadyClock::duration delay);
  void dispatch();
  [[nodiscard]] SteadyClock::duration patience() const;
  void start_batch(const std::vector<ChangeId>& ids);
  void submit_batch(const std::shared_ptr<ChangeBatch>& batch);
  void batch_ended(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result);

  // mutation_outcome.cpp
  void classify(const std::shared_ptr<ChangeBatch>& batch, const Result<void>& result, std::vector<Ending>& endings);
  void send_again(const std::shared_ptr<ChangeBatch>& batch, const std::vector<ChangeId>& ids,
                  std::vector<Ending>& endings);
  /// How often, and after which pauses, changes are tried again that ended without an outcome.
  struct Perseverance {
    unsigned attempts;
    SteadyClock::duration first_pause;
    SteadyClock::duration longest_pause;
  };
  void try_later(const std::vector<ChangeId>& ids, const std::shared_ptr<ChangeBatch>& batch, bool look_up,
                 const Error& error, const Perseverance& perseverance, std::vector<Ending>& endings);
  void put_back(const std::vector<ChangeId>& ids, bool look_up, const std::shared_ptr<ArrivalGuard>& hold,
                SteadyClock::duration pause);
  void split(const std::vector<ChangeId>& ids, const std::shared_ptr<ChangeBatch>& batch, const Error& error,
             std::vector<Ending>& endings);

  // mutation_accept.cpp
  void submit(Submission submission);
  void give_name_now(const MessageLocation& message, const std::string& name, const Submission& removal);
  [[nodiscard]] Result<void> check(const Submission& submission) const;
  void accept(std::vector<Submission> submissions);
  [[nodiscard]] Result<PendingChange> prepare(Submission& submission);
  [[nodiscard]] Result<void> resolve_source(const ChangeSource& source, store::JournalChange& change);
  void commit(std::vector<PendingChange> prepared);
  void show_effect(const std::vector<store::JournalChange>& changes);
  [[nodiscard]] Result<Removal> removal_in(const std::string& mailbox) const;
  [[nodiscard]] store::JournalLocation to_journal(const MessageLocation& location) const;
  [[nodiscard]] MessageLocation from_journal(const store::JournalLocation& location) const;
  void describe(PendingChange& pending) const;

  void note_own_removals(const std::vector<store::JournalChange>& changes);
  void restore_now(const ChangeSource& source, const std::string& file_name, ChangeReply reply);

  // mutation_clearing.cpp
  struct Clearing;
  void clear_out_next(const std::shared_ptr<Clearing>& clearing);
  void clear_out_one(const std::shared_ptr<Clearing>& clearing, Uid uid);

  // mutation_end.cpp
  void end(std::vector<Ending> endings, const std::shared_ptr<ArrivalGuard>& hold);
  void record_again();
  void add_dependents(std::vector<Ending>& endings);
  [[nodiscard]] store::Journal::Ended record_of(const std::vector<Ending>& endings, std::vector<PendingChange>& next);
  void apply(const std::vector<Ending>& endings, std::vector<PendingChange> next,
              const std::shared_ptr<ArrivalGuard>& hold);
  void remember(ChangeId id, const store::JournalLocation& arrived, State& state);
  void roll_back(const std::vector<std::pair<PendingChange, Error>>& refused);
  struct Come {
    std::shared_ptr<PendingChange> pending;
    store::JournalLocation arrived;
    bool keeps_staged = false;
  };
  void sync_destination(std::vector<Come> come, const std::shared_ptr<ArrivalGuard>& hold);
  void publish_arrivals(const MailboxPointer& destination, const std::vector<Come>& come);
  void hide_replaced(const std::vector<Come>& come) const;
  void show_carried_out(const std::vector<PendingChange>& done);
  void report(const PendingChange& pending, const Error& error);
  void finish(PendingChange& pending, const Result<Arrival>& result);
  [[nodiscard]] static std::optional<Error> take_untold(State& state, MailboxId mailbox);
  [[nodiscard]] Result<Arrival> arrival_of(const PendingChange& pending, const store::JournalLocation& arrived) const;

  // mutation_upload.cpp
  [[nodiscard]] Result<void> check_upload(const UploadAttempt& attempt) const;
  void begin_upload(const std::shared_ptr<UploadAttempt>& attempt);
  void accept_upload(const std::shared_ptr<UploadAttempt>& attempt);
  void submit_upload(const std::shared_ptr<UploadAttempt>& attempt);
  Result<void> append(UploadAttempt& attempt, imap::Session& session, const CallContext& context);
  Result<void> select_for_append(const UploadAttempt& attempt, imap::Session& session, const CallContext& context);
  Result<imap::AppendedMessage> send_staged(const UploadAttempt& attempt, imap::Session& session,
                                            const CallContext& context);
  Result<void> confirm_appended(UploadAttempt& attempt, imap::Session& session, Uid told, const CallContext& context);
  Result<bool> take_appended(UploadAttempt& attempt, imap::Session& session, Uid told,
                             const std::vector<ArrivalCandidate>& candidates, const CallContext& context);
  Result<bool> find_appended(UploadAttempt& attempt, imap::Session& session, const CallContext& context);
  [[nodiscard]] bool may_try_again(const UploadAttempt& attempt) const;
  void reconnect(const std::shared_ptr<UploadAttempt>& attempt);
  void resume_uploads();
  void upload_ended(const std::shared_ptr<UploadAttempt>& attempt, const Result<void>& result);
  void park_upload(const std::shared_ptr<UploadAttempt>& attempt, const Error& error);
  void show_uploaded(const UploadAttempt& attempt, const ArrivalCandidate& seen);
  void give_up_staged(const store::JournalChange& change, const Error& reason);

  // mutation_upload_again.cpp
  bool wait_for_twin(const std::shared_ptr<UploadAttempt>& attempt);
  void resume_twins();
  bool take_earlier(UploadAttempt& attempt);
  void look_for_earlier(const std::shared_ptr<UploadAttempt>& attempt);
  Result<void> find_earlier(UploadAttempt& attempt, imap::Session& session, const CallContext& context);
  void earlier_looked_up(const std::shared_ptr<UploadAttempt>& attempt, const Result<void>& result);
  void end_as_earlier(const std::shared_ptr<UploadAttempt>& attempt);
  void replace_earlier(const std::shared_ptr<UploadAttempt>& attempt);
  void forget_earlier(const std::shared_ptr<UploadAttempt>& attempt);
  void remove_superseded(const UploadAttempt& attempt);

  const Dependencies dependencies_;
  const ChangeTools tools_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> turn_queued_{false};
  mutable Guarded<State> state_;
  OwnRemovals own_removals_;
  Worker worker_;
};

}  // namespace imapfs::sync
