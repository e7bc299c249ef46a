#pragma once
// The inside of SessionPool.
//
// One mutex guards the queues and the slots' shared fields; sessions, jobs, listeners and completions are used without
// it. A slot's thread alone touches its session. The thread "imap-queue" ends jobs that expire or are cancelled while
// they wait. Jobs travel as shared Entries; whoever takes an Entry out of the queue or off a slot completes it, which
// makes `done` happen once. Entries are destroyed without the mutex held: their stop callback takes it.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "imapfs/imap/session_pool.hpp"

namespace imapfs::imap {

class SessionPool::Implementation {
 public:
  Implementation(Settings settings, SessionFactory factory, PoolListener* listener);
  ~Implementation();

  void adopt(std::unique_ptr<Session> session);
  void submit(PoolJob job);
  [[nodiscard]] PoolStatus status() const;
  [[nodiscard]] bool online() const;
  [[nodiscard]] bool somebody_waits() const;
  void retry_now();
  void neighbour_lost(bool silently);
  void neighbour_answers();
  void close();

 private:
  using Lock = std::unique_lock<std::mutex>;

  /// A job on its way through the pool.
  struct Entry {
    explicit Entry(PoolJob accepted) : job(std::move(accepted)) {}
    [[nodiscard]] CallContext context() const { return {stop.get_token(), job.context.deadline}; }
    [[nodiscard]] bool interactive() const { return job.priority == Priority::interactive; }
    [[nodiscard]] bool eager() const { return interactive() || job.changes || (job.awaited && *job.awaited); }

    PoolJob job;
    std::stop_source stop;  ///< the job's own stop token or close()
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
    // Touched only by who holds the entry.
    int losses = 0;  ///< connections that were lost under it
    SteadyClock::time_point first_loss{};
    SteadyClock::time_point not_before{};
    bool tried = false;       ///< a connection attempt of its own has failed; guarded by the mutex
    bool was_silent = false;  ///< one of its connections was given up for silence; guarded by the mutex
    bool may_connect =
        false;  ///< the gate let it through when it was given a slot without a session; written with the mutex held
  };
  using EntryPointer = std::shared_ptr<Entry>;
  struct Refused {
    EntryPointer entry;
    Error error;
  };

  /// A thread and its connection. The session belongs to the thread while `busy`, else to whoever holds the mutex.
  struct Slot {
    std::string name;
    std::condition_variable work;
    std::unique_ptr<Session> session;
    EntryPointer assigned;  ///< chosen for this slot, not yet taken by its thread
    EntryPointer running;
    bool busy = false;
    bool finishing = false;  ///< busy only with a completion: as good as free
    std::optional<SteadyClock::time_point> connecting_since;
    bool connected = false;                   ///< there is a session (readable while busy)
    bool suspect = false;                     ///< another connection was lost since: check before reuse
    bool to_be_asked = false;                 ///< its thread is to find out whether it still answers
    bool fresh = false;                       ///< has not served a job yet
    SteadyClock::duration longest_silence{};  ///< beyond doubt_after, in the job that runs
    std::string description;
    WireName selected;
    std::vector<WireName> to_leave;  ///< PoolJob::unmakes of others
    bool saw_names_go = false;       ///< PoolJob::unmakes, of any slot, since its session was opened
    SteadyClock::time_point last_used{};
    std::jthread thread;
  };

  // session_pool_dispatch.cpp: with the mutex held
  /// Gives waiting jobs to free slots. What cannot be served for want of a connection is taken out into `refused`.
  void dispatch(std::vector<Refused>& refused);
  void dispatch_queue(std::deque<EntryPointer>& queue, std::vector<Refused>& refused);
  Slot* find_slot(const Entry& entry, SteadyClock::time_point now);
  Slot* choose_slot(const PoolJob& job, bool may_connect);
  /// A connection that has `mailbox` selected does something that ends by itself.
  [[nodiscard]] bool soon_free(const WireName& mailbox) const;
  [[nodiscard]] bool background_allowed() const;
  [[nodiscard]] std::size_t live_slots() const;
  /// Nothing is connected, and attempts fail for so long that nobody is to be kept waiting.
  [[nodiscard]] bool hopeless(SteadyClock::time_point now) const;
  [[nodiscard]] bool connects_lately(SteadyClock::time_point now) const;
  void assign(Slot& slot, EntryPointer entry);
  void wake(Slot& slot);

  // session_pool_dispatch.cpp: without
  void complete(const EntryPointer& entry, Result<void> result);
  void complete(std::vector<Refused> refused);
  void run_queue_watch();
  std::vector<Refused> take_ended(SteadyClock::time_point now);
  /// When a job in the queues ends or may be served by the mere passing of time, after `now`. With the mutex held.
  [[nodiscard]] Deadline next_turn(SteadyClock::time_point now) const;
  /// Tells the listener if connectivity changed.
  void report_connectivity();

  // session_pool_run.cpp: on a slot's thread
  void run_slot(Slot& slot);
  EntryPointer next_entry(Slot& slot);
  void serve(Slot& slot, const EntryPointer& entry);
  Result<void> run_job(Slot& slot, const Entry& entry);
  Result<void> prepare_session(Slot& slot, Entry& entry);
  bool still_alive(Slot& slot, const Entry& entry);
  /// False if that cost the session.
  bool leave_unmade(Slot& slot, const Entry& entry);
  /// With the mutex held.
  void tell_to_leave(const Slot& teller, const WireName& mailbox);
  /// An internal error of the server, which another session may be spared.
  bool blames_session(const Slot& slot, const Error& error);
  Result<void> connect(Slot& slot, Entry& entry);
  void connect_failed(Slot& slot, Entry& entry, const Error& error, SteadyClock::time_point started);
  void install(Slot& slot, std::unique_ptr<Session> session, SteadyClock::time_point started);
  [[nodiscard]] SteadyClock::duration shortest_connect_patience() const;
  void discard_session(Slot& slot, const Error& reason);
  Result<void> give_up_session(Slot& slot, Error error);
  /// Puts the job at the head of its queue if `error` is about the connection alone and there is time left. With the
  /// mutex held.
  bool run_again(const EntryPointer& entry, bool had_session, const Error& error);
  void note_state(Slot& slot);

  // session_pool_silence.cpp
  /// On a slot's thread: whether the session answers NOOP in time. Else it is thrown away.
  bool answers(Slot& slot, CallContext context);
  void watch_silence(Slot& slot, Session& session);
  /// On a slot's thread, which waits for an answer.
  bool gives_up(Slot& slot, SteadyClock::duration silent, bool changing);
  /// With the mutex held.
  [[nodiscard]] bool is_dead(const Slot& slot, SteadyClock::time_point now, SteadyClock::duration silent,
                             bool changing) const;
  /// With the mutex held.
  void ask_idle_slots();

  const Settings settings_;
  const SessionFactory factory_;
  PoolListener* const listener_;

  mutable std::mutex mutex_;
  bool closed_ = false;
  bool something_stopped_ = false;  ///< an entry's stop was requested: imap-queue must look
  std::deque<EntryPointer> interactive_;
  std::deque<EntryPointer> background_;
  std::vector<std::unique_ptr<Slot>> slots_;
  ConnectGate gate_;
  std::optional<bool> online_;  ///< empty until something is known
  std::string last_error_;
  SteadyClock::duration connect_patience_;  ///< with one attempt
  SteadyClock::duration patience_;  ///< with silence while nobody knows better; grows with a server that takes its time
  // What is known of the network: a rested connection did not answer, one did, and when all were asked last.
  SteadyClock::time_point last_silent_loss_{};
  SteadyClock::time_point last_answer_{};
  SteadyClock::time_point last_doubt_{};
  std::stop_source closing_;
  std::deque<std::pair<bool, std::string>> reports_;  ///< to the listener, in order
  bool reporting_ = false;
  std::condition_variable queue_changed_;
  std::jthread queue_watch_;
  std::once_flag close_once_;
};

}  // namespace imapfs::imap
