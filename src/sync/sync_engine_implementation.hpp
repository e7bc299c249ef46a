#pragma once
// The inside of SyncEngine: an account's mailboxes, and who keeps each of them in step.
//
// Locks: every lock here guards a few fields and is never held across a call into the pool, a watcher, the store, a
// replica or a listener. The one exception is the tree: adopt_tree() runs under its own gate, one at a time. Threads:
// vfs's, the pool's, the watchers', "store", "sched" (short) and "sync" (what may block: starting and stopping
// watchers).

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/pace.hpp"
#include "imapfs/imap/session_pool.hpp"
#include "imapfs/imap/watcher.hpp"
#include "imapfs/sync/sync_engine.hpp"
#include "sync/bodies/body_fetcher.hpp"
#include "sync/mailbox/mailbox_replica.hpp"
#include "sync/mailbox/mailbox_sync.hpp"
#include "sync/mailbox/sync_gate.hpp"
#include "sync/store_writer.hpp"

namespace imapfs::sync {

/// A mailbox of the account with what the engine knows of its use.
struct Mailbox {
  Mailbox(MailboxReplica::Identity identity, MailboxReplica::Dependencies dependencies,
          std::optional<store::MailboxState> stored)
      : replica(std::move(identity), dependencies, std::move(stored)) {}

  struct Activity {
    SteadyClock::time_point accessed;      ///< by vfs; epoch: never
    SteadyClock::time_point checked;       ///< in step with the server then; epoch: never
    std::uint64_t news = 0;                ///< grows with every hint that the server has something new
    std::uint64_t covered = 0;             ///< the hints that the last good sync began after
    SteadyClock::time_point polled;        ///< STATUS told nothing new then
    std::string watched_by;                ///< empty: nobody
    bool heard = false;                    ///< the watch has told of something by itself: IDLE is no idle promise here
    std::uint64_t told = 0;                ///< how often
    std::uint64_t revision = 0;            ///< of the replica, when the last sync ended
    bool hinted = false;                   ///< it began for a hint
    SteadyClock::time_point began;         ///< the last sync
    SteadyClock::time_point not_before;    ///< hints that come earlier wait: the last ones brought nothing
    bool hint_waits = false;               ///< a timer is set
    std::optional<Pace> pace;              ///< of syncs that follow hints
    SyncMethod method = SyncMethod::none;  ///< of the last good sync
    UnixTime synced_at = 0;
    std::string last_error;
    MailboxStatus listed;  ///< by LIST, STATUS or NOTIFY
  };

  MailboxReplica replica;
  mutable Guarded<Activity> activity;
  SingleFlight<std::string, Completion<MessageMeta>> lookups;
  std::atomic<int> names_asked_in_vain{0};  ///< of the server, one by one, since the start
};
using MailboxPointer = std::shared_ptr<Mailbox>;

class EngineImplementation;
struct ServerName;
class MailboxRemoval;
class Changes;
class Prefetcher;

/// Hears what pool sessions are told unasked. One per session; knows which mailbox is selected from the session itself.
class PoolSessionListener final : public imap::UntaggedListener {
 public:
  PoolSessionListener(EngineImplementation& engine, imap::Session& session) : engine_(engine), session_(session) {}
  void on_exists(std::uint32_t messages) override;
  void on_expunge() override;
  void on_vanished(const UidSet& uids) override;
  void on_fetch(const imap::FetchRow& row) override;
  void on_status(const imap::WireName& mailbox, const MailboxStatus& status) override;
  void on_mailbox_list_changed() override;

 private:
  EngineImplementation& engine_;
  imap::Session& session_;
};

/// One mailbox under watch: keeps it in step on the watcher's own session. Callbacks on the watcher's thread.
class MailboxWatch final : public imap::WatchListener {
 public:
  MailboxWatch(EngineImplementation& engine, MailboxPointer mailbox, imap::Watcher::Settings settings,
               const imap::SessionFactory& factory);
  ~MailboxWatch() override;

  Result<void> on_watch_started(imap::Session& session, const CallContext& context) override;
  Result<void> on_news(imap::Session& session, const CallContext& context) override;
  void on_watching(bool watching, const std::string& reason) override;
  void on_connection_lost(bool silently) override;
  void on_connection_answers() override;
  bool brought_news(bool told) override;
  void on_exists(std::uint32_t messages) override;
  void on_expunge() override;
  void on_vanished(const UidSet& uids) override;
  void on_fetch(const imap::FetchRow& row) override;
  void on_highest_modseq(ModSeq modseq) override;
  void on_status(const imap::WireName& mailbox, const MailboxStatus& status) override;
  void on_mailbox_list_changed() override;

  void start() { watcher_.start(); }
  /// Joins the watcher's thread. To be called before the last reference goes: that may be status(), which must not
  /// block.
  void stop();
  void retry_now() { watcher_.retry_now(); }
  void ask() { watcher_.ask(); }
  [[nodiscard]] const MailboxPointer& mailbox() const { return mailbox_; }
  /// The mailbox could not be watched, though the connection was good.
  [[nodiscard]] bool ended() const { return ended_; }

  struct Snapshot {
    std::string name;
    std::string description;
    bool watching = false;
    std::string reason;
  };
  [[nodiscard]] Snapshot snapshot() const;

 private:
  Result<void> catch_up(imap::Session& session, const CallContext& context);
  Result<void> take_news(imap::Session& session, const CallContext& context);
  void note_news(bool& what);
  [[nodiscard]] bool has_news() const { return messages_came_ || changes_came_ || compare_all_; }
  void forget_news();

  EngineImplementation& engine_;
  const MailboxPointer mailbox_;
  SteadyClock::time_point news_since_;  ///< when the first line of a burst came; watcher's thread only
  ModSeq highest_modseq_;               ///< as the server told this session; watcher's thread only
  bool changes_came_ = false;           ///< watcher's thread only
  bool messages_came_ = false;          ///< watcher's thread only
  bool compare_all_ = false;            ///< watcher's thread only
  bool may_have_missed_ = false;        ///< the connection was silent before it was lost; watcher's thread only
  std::uint64_t known_revision_ = 0;    ///< of the replica, at the end of the last round; watcher's thread only
  bool others_changed_ = false;         ///< NOTIFY has told of another mailbox; watcher's thread only
  std::atomic<bool> ended_{false};
  Guarded<Snapshot> snapshot_;
  imap::Watcher watcher_;  ///< last: its thread uses the rest
};

class EngineImplementation final : public SyncEngine, public imap::PoolListener {
 public:
  EngineImplementation(EngineSettings settings, imap::SessionFactory factory,
                       std::unique_ptr<store::MetadataStore> metadata, std::shared_ptr<store::MessageCache> bodies,
                       std::shared_ptr<store::Journal> journal, Scheduler& scheduler, ChangeListener& listener);
  ~EngineImplementation() override;

  // -- SyncEngine (sync_engine.cpp) --
  Result<void> start(std::unique_ptr<imap::Session> first_session, const CallContext& context) override;
  void stop() override;
  void retry_now() override;

  // -- Account --
  [[nodiscard]] const std::string& name() const override { return settings_.account; }
  [[nodiscard]] std::shared_ptr<const MailboxTree> tree() const override;
  void freshen_tree(Completion<void> done) override;
  [[nodiscard]] std::shared_ptr<const MessageTable> table(MailboxId mailbox) const override;
  [[nodiscard]] DirectoryTime directory_time(MailboxId mailbox) const override;
  void freshen(MailboxId mailbox, Completion<void> done) override;
  void await_rows(MailboxId mailbox, Uid after, Completion<void> done) override;
  void find_message(MailboxId mailbox, const std::string& name, Completion<MessageMeta> done) override;
  void find_message(MailboxId mailbox, Uid uid, Completion<MessageMeta> done) override;
  void details(MailboxId mailbox, Uid uid, Completion<MessageDetails> done) override;
  void open_body(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) override;
  void open_body_at(MailboxId mailbox, Uid uid, std::uint64_t offset, std::size_t length,
                    Completion<std::shared_ptr<Body>> done) override;
  [[nodiscard]] bool open_can_wait(MailboxId mailbox, Uid uid) const override;
  [[nodiscard]] MailboxRights rights(MailboxId mailbox) const override;
  [[nodiscard]] std::optional<std::uint64_t> append_limit() const override;
  void upload(const Upload& upload, Completion<Arrival> done) override;
  void copy_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void move_message(const ChangeSource& source, const ArrivalTarget& target, ChangeReply reply) override;
  void remove_message(const ChangeSource& source, ChangeReply reply) override;
  void expunge_message(const ChangeSource& source, ChangeReply reply) override;
  void restore_message(const ChangeSource& source, const std::string& file_name, ChangeReply reply) override;
  void set_flags(const MessageLocation& message, const FlagChange& change, Completion<void> done) override;
  void give_name(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
                 Completion<void> done) override;
  void create_mailbox(MailboxId parent, const std::string& component, Completion<MailboxId> done) override;
  void remove_mailbox(MailboxId mailbox, Completion<void> done) override;
  void rename_mailbox(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
                      Completion<void> done) override;
  void drain(MailboxId mailbox, Completion<void> done) override;
  [[nodiscard]] std::vector<PendingArrival> pending_arrivals() const override;
  void await_change(ChangeId change, Completion<Arrival> finished) override;
  void usage(Completion<Usage> done) override;
  [[nodiscard]] nlohmann::json status() const override;

  // -- PoolListener --
  imap::UntaggedListener* on_session_opened(imap::Session& session) override;
  void on_online(bool online, const std::string& reason) override;
  void on_connection_doubted() override;

  // -- for the listeners above, on any thread --
  [[nodiscard]] MailboxPointer find_mailbox(const imap::WireName& wire_name) const;
  /// The server hinted at something new: a sync follows if rows are held.
  void hint(const MailboxPointer& mailbox);
  /// Whether it says anything that no STATUS has said before.
  bool take_status(const imap::WireName& wire_name, const MailboxStatus& status);
  /// The watch of the mailbox has told of a change before anybody else.
  void note_heard(const MailboxPointer& mailbox);
  void relist();
  /// The server has said that something has changed: some say so with every command.
  void relist_by_hint();
  /// Brackets a sync by whoever entered the mailbox's gate.
  [[nodiscard]] std::uint64_t begin_sync(const MailboxPointer& mailbox);
  void give_back_memory_of_listing(const MailboxPointer& mailbox);
  void end_sync(const MailboxPointer& mailbox, std::uint64_t began_after, SyncMethod method,
                const Result<void>& result);
  void with_rows_loaded(const MailboxPointer& mailbox, Job then);
  [[nodiscard]] MailboxSync::Settings sync_settings() const;
  void note_traits(const imap::Session& session);
  void tick_soon();
  /// The server has refused what its rights seemed to allow: asks for them again.
  void ask_rights(const MailboxPointer& mailbox);
  /// Calls `then` when the rights of the mailbox have been asked for, at once if they have: a mailbox that nobody has
  /// listed may be written to.
  void with_rights(MailboxId mailbox, Job then);
  /// A watcher has a connection: the pool need not wait any longer before it tries.
  void watcher_connected();
  /// A watcher's connection was lost: the others are asked.
  void watcher_lost(bool silently);
  /// It was asked and has answered.
  void watcher_answers();

 private:
  /// Reaches the engine from the scheduler, which may outlive it.
  struct Handle {
    std::mutex mutex;
    EngineImplementation* engine = nullptr;
  };
  struct Listing {
    std::vector<imap::Namespace> namespaces;
    std::vector<imap::ListedMailbox> mailboxes;
  };
  /// Directories that came or went by a change of ours: at this path and below.
  struct OurPaths {
    std::optional<std::string> removed;
    std::optional<std::string> added;
    bool kernel_is_told;  ///< it may not know of them though they are ours
  };
  struct TreeState {
    std::shared_ptr<const MailboxTree> tree;
    MailboxTree::KeptIds kept_ids;
    /// Levels whose last child our user has taken away, by wire name: they stay until he removes them.
    std::map<imap::WireName, imap::ListedMailbox> levels;
    /// Changes whose outcome nobody knows, for the next listing.
    std::vector<std::function<void(const Listing&)>> unresolved;
    bool outdated = false;        ///< to be listed as soon as there is a connection
    bool listing_is_due = false;  ///< a timer is set
    std::optional<Pace> pace;     ///< of listings that follow hints
    SteadyClock::time_point hinted;
    SteadyClock::time_point not_before;
    bool hint_waits = false;
    std::vector<imap::Namespace> namespaces;
    SteadyClock::time_point checked;
  };
  struct Mailboxes {
    std::map<MailboxId, MailboxPointer> by_id;
    std::map<imap::WireName, MailboxPointer> by_wire_name;
    std::map<std::string, MailboxPointer> by_name;
  };
  struct CachedUsage {
    std::optional<Usage> usage;
    SteadyClock::time_point measured;
  };

  // sync_engine.cpp
  void open_pool(bool has_notify);
  void submit(imap::PoolJob job);
  [[nodiscard]] CallContext patience() const;
  /// Calls `then` at once while there is a connection or nobody doubts that there will be one; else when an attempt has
  /// been made on behalf of who waits, whatever its outcome.
  void with_connection(Job then);
  void later(SteadyClock::duration delay, std::function<void(EngineImplementation&)> function);

  // sync_engine_tree.cpp
  static Result<Listing> list_mailboxes(imap::Session& session, const std::vector<imap::WireName>& known_names,
                                        const std::vector<imap::Namespace>& known_spaces, const CallContext& context);
  /// By the server's list, or by the stored one where that is not to be believed.
  Result<void> start_with_listing(imap::Session& session, const CallContext& context);
  /// Selectable ones.
  [[nodiscard]] std::vector<imap::WireName> known_names() const;
  [[nodiscard]] std::optional<Listing> stored_listing();
  void store_listing(const Listing& listing);
  void adopt_listing(const Listing& listing, bool first, const OurPaths& ours = {});
  void adopt_mailboxes(const MailboxTree& tree, std::vector<MailboxPointer>& dropped);
  static void take_over_renamed(const Mailbox& before, Mailbox& after);
  [[nodiscard]] MailboxReplica::Dependencies replica_surroundings();
  void forget(const MailboxPointer& mailbox);
  void start_listing(imap::Priority priority);
  void submit_listing(imap::Priority priority, Completion<Listing> done);
  /// What the server has said.
  void take_listing(const Listing& listing);
  void keep_tree(const Error& error);
  void note_outdated();
  void list_if_outdated();
  void list_by_hint_later(SteadyClock::duration pause);
  void list_again_soon();
  /// The directories above `path` that are no mailboxes, and have none left below them, stay, whatever the server makes
  /// of them.
  void keep_levels_above(const MailboxTree& tree, const std::string& path, const Listing& left);
  void drop_levels_of_server(const Listing& listing);

  // sync_engine_mailbox_changes.cpp
  /// Runs `job` while nobody else lists or changes the tree; it must see to it that leave_tree() is called.
  void with_tree(Job job);
  void leave_tree();
  template <class T>
  [[nodiscard]] Completion<T> leaving_tree(Completion<T> done);
  /// The tree as the listing that it was made of.
  [[nodiscard]] Listing known_listing() const;
  [[nodiscard]] std::vector<imap::Namespace> known_namespaces() const;
  struct Renaming;
  /// A change of the tree that has been answered, or not.
  struct TreeChangeAnswer {
    SteadyClock::time_point began;
    bool sent = false;
    bool lost = false;
    Result<void> result;
    /// Whether this listing shows the change as made.
    std::function<bool(const Listing&)> is_made;
    /// Shows it in our tree.
    std::function<void(bool kernel_knows)> adopt;
    Completion<void> done;
  };
  void conclude_tree_change(TreeChangeAnswer answer);
  [[nodiscard]] static bool lists(const Listing& listing, const ServerName& name, bool selectable);
  [[nodiscard]] static bool is_kept_only(const MailboxTree& tree, const MailboxNode& directory);
  void rename_kept(const Renaming& renaming, const Completion<void>& done);
  void submit_creation(MailboxId parent, const std::string& component, Completion<MailboxId> done);
  void submit_removal(MailboxId id, Completion<void> done);
  void removal_answered(const MailboxNode& node, const MailboxRemoval& removal, const Result<void>& result,
                        SteadyClock::time_point began, const Completion<void>& done);
  void submit_renaming(const std::shared_ptr<Renaming>& renaming, Completion<void> done);
  [[nodiscard]] Result<void> prepare(Renaming& renaming) const;
  void adopt_creation(const ServerName& name, const std::string& path, bool kernel_knows);
  void adopt_removal(const MailboxNode& node, bool kernel_knows);
  void adopt_renaming(const Renaming& renaming, bool kernel_knows);
  /// After RENAME on the server, which this blocks the disk for.
  void renamed_on_server(const Renaming& renaming);
  void follow_subscriptions(const Renaming& renaming);
  [[nodiscard]] Error explain_left(const MailboxNode& node, std::uint32_t messages, Error error) const;
  /// Settles one after the other, then calls `done`.
  void settle_all(std::vector<MailboxId> mailboxes, Completion<void> done);
  [[nodiscard]] std::vector<MailboxId> with_descendants(MailboxId id) const;
  void after_refusal(MailboxId id, const Result<void>& result);

  // sync_engine_clearing.cpp
  /// What rmdir takes along: see remove_mailbox(). Completes without an error also when nothing can be taken.
  void clear_out(MailboxId id, Completion<void> done);
  void clear_out_checked(const MailboxPointer& mailbox, Completion<void> done);
  [[nodiscard]] Result<MailboxPointer> place_for_cleared(const MailboxPointer& mailbox) const;

  // sync_engine_mailboxes.cpp
  [[nodiscard]] MailboxPointer find_mailbox(MailboxId id) const;
  /// As find_mailbox(), and notes that somebody is there.
  [[nodiscard]] MailboxPointer use_mailbox(MailboxId id) const;
  [[nodiscard]] std::vector<MailboxPointer> all_mailboxes() const;
  [[nodiscard]] bool is_fresh(const MailboxPointer& mailbox) const;
  /// Listed completely, and watched or checked within `refresh`; there may be news that are not in the table yet.
  [[nodiscard]] bool was_checked_lately(const MailboxPointer& mailbox) const;
  [[nodiscard]] bool online() const;
  /// Because of a hint: when that is due, which is later where hints bring nothing.
  void sync_by_hint(const MailboxPointer& mailbox);
  void sync_later(const MailboxPointer& mailbox, SteadyClock::duration pause);
  void note_pace(const MailboxPointer& mailbox);
  void freshen_loaded(const MailboxPointer& mailbox, Completion<void> done);
  /// The gate was just entered.
  void start_sync(const MailboxPointer& mailbox, imap::Priority priority);
  /// The gate was just entered on behalf of somebody who waits; if there is nothing to check, it is left again.
  void start_sync_unless_fresh(const MailboxPointer& mailbox);
  void submit_step(const MailboxPointer& mailbox, std::shared_ptr<MailboxSync> sync, std::uint64_t began_after,
                   imap::Priority priority);
  /// Calls `done` when it is called, or with success when that takes longer than a listing that is somewhat old is
  /// worth.
  [[nodiscard]] Completion<void> impatient(Completion<void> done);
  void try_load(const MailboxPointer& mailbox);

  // sync_engine_messages.cpp
  struct Lookup {
    std::string key;        ///< the name, or "#uid"
    std::vector<Uid> uids;  ///< candidates
    bool by_name = false;
  };
  [[nodiscard]] static std::optional<MessageMeta> find_known(const MailboxPointer& mailbox, const Lookup& lookup);
  void find(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done);
  void find_loaded(const MailboxPointer& mailbox, const Lookup& lookup, const Completion<MessageMeta>& done);
  void fetch_single(const MailboxPointer& mailbox, const Lookup& lookup, Completion<MessageMeta> done);
  void list_and_find(const MailboxPointer& mailbox, const Lookup& lookup, const Completion<MessageMeta>& done);
  [[nodiscard]] static Result<void> examine(const MailboxPointer& mailbox, imap::Session& session,
                                            const CallContext& context);
  Result<void> examine_and_follow(const MailboxPointer& mailbox, imap::Session& session, const CallContext& context);
  /// SELECT, unless the session has it selected so that it may change something. EROFS if the server does not allow
  /// that.
  void store_flags(const MailboxPointer& mailbox, const MessageLocation& message, const FlagChange& change,
                   Completion<void> done);
  static Result<void> select_to_change(const MailboxPointer& mailbox, imap::Session& session,
                                       const CallContext& context);
  void cached_details(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done);
  void fetch_details(const MailboxPointer& mailbox, Uid uid, const Completion<MessageDetails>& done);
  void keep_details(const MailboxPointer& mailbox, Uid uid, const MessageDetails& fresh);
  void stored_details(const MailboxPointer& mailbox, Uid uid, const Error& cause,
                      const Completion<MessageDetails>& done);
  void message_is_gone(const MailboxPointer& mailbox, Uid uid);
  void find_and_open(MailboxId mailbox, Uid uid, imap::OctetRange wanted, Completion<std::shared_ptr<Body>> done);
  void open_known(const MailboxPointer& mailbox, const MessageMeta& meta, imap::OctetRange wanted,
                  const Completion<std::shared_ptr<Body>>& done);
  void open_fetcher();
  /// A body has `length` octets, of which the server had told what `told` says. Any thread.
  void note_length(const MessageMeta& told, std::uint64_t length);
  [[nodiscard]] Usage known_usage() const;
  void finish_usage(const Usage& usage);

  // sync_engine_changes.cpp
  [[nodiscard]] std::unique_ptr<Changes> make_mutations();
  [[nodiscard]] MailboxPointer find_mailbox_named(const std::string& name) const;
  /// The server gives the UIDs to other messages than before: rows and cached bodies are forgotten, and a sync begins.
  void list_anew(const MailboxPointer& mailbox);
  /// Completes when a sync has ended that began after this call.
  void bring_in_step(const MailboxPointer& mailbox, Completion<void> done);
  void await_news(const MailboxPointer& mailbox, std::uint64_t wanted, Completion<void> done);

  // sync_engine_watch.cpp
  void tick();
  void schedule_tick();
  void poll_mailboxes();
  [[nodiscard]] bool poll_is_due(const MailboxPointer& mailbox) const;
  /// What became of a poll that began when the watch had told so much: whether it was first.
  void polled(const MailboxPointer& mailbox, std::uint64_t told_before, bool found);
  void poll(const MailboxPointer& mailbox);
  void keep_watchers();
  [[nodiscard]] MailboxPointer second_to_watch() const;
  [[nodiscard]] std::shared_ptr<MailboxWatch> make_watch(const std::string& name, const MailboxPointer& mailbox);

  const EngineSettings settings_;
  const imap::SessionFactory factory_;
  const std::shared_ptr<store::MessageCache> bodies_;
  const std::shared_ptr<store::Journal> journal_;  ///< null: read-only
  Scheduler& scheduler_;
  ChangeListener& listener_;
  StoreWriter store_;
  const std::shared_ptr<Handle> handle_ = std::make_shared<Handle>();
  std::atomic<bool> stopping_{false};
  std::atomic<bool> tick_queued_{false};
  std::atomic<bool> sizes_are_wrong_{false};  ///< one was
  enum class Idle : std::uint8_t { unproved, heard, silent };
  static std::string_view idle_text(Idle idle);
  std::atomic<Idle> idle_{Idle::unproved};  ///< what is known of the server's IDLE

  mutable Guarded<TreeState> tree_;
  SyncGate tree_gate_;
  mutable Guarded<Mailboxes> mailboxes_;
  Guarded<std::optional<imap::ServerTraits>> traits_;
  Guarded<std::map<const imap::Session*, std::unique_ptr<PoolSessionListener>>> session_listeners_;
  Guarded<CachedUsage> usage_;
  SingleFlight<int, Completion<Usage>> usage_flight_;
  using DetailsKey = std::tuple<MailboxId, UidValidity, Uid>;
  mutable Guarded<std::map<DetailsKey, MessageDetails>> details_;

  std::size_t watch_budget_ = 0;
  std::unique_ptr<imap::SessionPool> pool_;
  std::unique_ptr<BodyFetcher> fetcher_;
  std::unique_ptr<Prefetcher> prefetcher_;
  mutable Guarded<std::vector<std::shared_ptr<MailboxWatch>>> watches_;  ///< changed on "sync" and by stop()
  SteadyClock::time_point retargeted_;                                   ///< "sync" only
  std::unique_ptr<Changes> changes_;                                     ///< null without a journal
  const std::unique_ptr<Worker> helper_ = std::make_unique<Worker>("sync", 64);
};

}  // namespace imapfs::sync
