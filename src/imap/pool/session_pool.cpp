#include "imapfs/imap/session_pool.hpp"

#include <mutex>
#include <utility>

#include "imap/pool/job_runner.hpp"

namespace imapfs::imap {

/// Builds the parts and ends them in order. One mutex guards their shared state: the queue, what each connection is
/// doing, and what is known of the server. Sessions, jobs, listeners and completions are called without it.
class SessionPool::Implementation {
 public:
  Implementation(Settings settings, SessionFactory factory, PoolListener* listener);
  ~Implementation() { close(); }

  void adopt(std::unique_ptr<Session> session);
  void submit(PoolJob job) { dispatcher_.submit(std::move(job)); }
  [[nodiscard]] PoolStatus status() const;
  [[nodiscard]] bool online() const;
  [[nodiscard]] bool somebody_waits() const;
  void retry_now();
  void neighbour_lost(bool silently);
  void neighbour_answers();
  void close();

 private:
  using Lock = std::lock_guard<std::mutex>;

  void end_jobs();

  const Settings settings_;
  const SessionFactory factory_;
  PoolListener* const listener_;
  mutable std::mutex mutex_;
  ConnectionTable table_;
  Connectivity connectivity_;
  Liveness liveness_;
  Dispatcher dispatcher_;
  std::stop_source closing_;
  std::vector<std::unique_ptr<JobRunner>> runners_;  ///< one for each place of the table
  std::once_flag close_once_;
};

SessionPool::Implementation::Implementation(Settings settings, SessionFactory factory, PoolListener* listener)
    : settings_(settings), factory_(std::move(factory)), listener_(listener), table_(settings_.connections),
      connectivity_(mutex_, table_, settings_, listener_), liveness_(settings_),
      dispatcher_(mutex_, table_, connectivity_, settings_.queue_limit) {
  const PoolConnection::Dependencies dependencies{mutex_,   table_,    connectivity_, liveness_,
                                                  factory_, listener_, settings_};
  for (const auto& place : table_.places())
    runners_.push_back(std::make_unique<JobRunner>(*place, dispatcher_, dependencies, closing_.get_token()));
}

void SessionPool::Implementation::adopt(std::unique_ptr<Session> session) {
  if (!session) return;
  if (listener_ != nullptr) session->set_listener(listener_->on_session_opened(*session));
  std::vector<RefusedJob> refused;
  {
    const Lock lock(mutex_);
    const auto place = table_.unconnected();
    if (!table_.closed() && place) {
      runners_[*place]->connection().adopt(std::move(session));
      connectivity_.adopted();
      dispatcher_.dispatch(refused);
    }
  }
  complete(std::move(refused));
  if (session) return session->logout();
  connectivity_.report();
}

PoolStatus SessionPool::Implementation::status() const {
  const Lock lock(mutex_);
  PoolStatus status;
  for (const auto& place : table_.places()) {
    const auto& current = place->running ? place->running : place->assigned;
    status.connections.push_back({place->name, place->connected ? place->description : std::string(),
                                  place->connected ? place->selected : WireName(),
                                  current ? current->job.what : std::string()});
  }
  status.online = connectivity_.online();
  status.last_error = connectivity_.last_error();
  status.queued = dispatcher_.waiting();
  return status;
}

bool SessionPool::Implementation::online() const {
  const Lock lock(mutex_);
  return connectivity_.online();
}

bool SessionPool::Implementation::somebody_waits() const {
  const Lock lock(mutex_);
  return dispatcher_.waiting() > 0;
}

void SessionPool::Implementation::retry_now() {
  std::vector<RefusedJob> refused;
  {
    const Lock lock(mutex_);
    connectivity_.forget_failures();
    dispatcher_.dispatch(refused);
    dispatcher_.look_again();
  }
  complete(std::move(refused));
}

void SessionPool::Implementation::neighbour_lost(bool silently) {
  const Lock lock(mutex_);
  if (silently) liveness_.lost_silently(SteadyClock::now());
  table_.suspect_all();
}

void SessionPool::Implementation::neighbour_answers() {
  const Lock lock(mutex_);
  liveness_.answered(SteadyClock::now());
}

void SessionPool::Implementation::close() {
  std::call_once(close_once_, [this] {
    end_jobs();
    for (const auto& place : table_.places())
      if (place->thread.joinable()) place->thread.join();
    dispatcher_.join();
  });
}

void SessionPool::Implementation::end_jobs() {
  std::vector<QueuedJobPointer> running;
  std::deque<QueuedJobPointer> waiting;
  {
    const Lock lock(mutex_);
    table_.close();
    dispatcher_.look_again();
    waiting = dispatcher_.take_waiting();
    for (auto& queued : table_.take_assigned()) waiting.push_back(std::move(queued));
    running = table_.running();
  }
  closing_.request_stop();
  for (const auto& queued : running) queued->stop.request_stop();
  for (const auto& queued : waiting) complete(queued, fail(ECANCELED, "the connections are being closed"));
}

SessionPool::SessionPool(Settings settings, SessionFactory factory, PoolListener* listener)
    : implementation_(std::make_unique<Implementation>(settings, std::move(factory), listener)) {}
SessionPool::~SessionPool() = default;
void SessionPool::adopt(std::unique_ptr<Session> session) { implementation_->adopt(std::move(session)); }
void SessionPool::submit(PoolJob job) { implementation_->submit(std::move(job)); }
PoolStatus SessionPool::status() const { return implementation_->status(); }
bool SessionPool::online() const { return implementation_->online(); }
bool SessionPool::somebody_waits() const { return implementation_->somebody_waits(); }
void SessionPool::retry_now() { implementation_->retry_now(); }
void SessionPool::neighbour_lost(bool silently) { implementation_->neighbour_lost(silently); }
void SessionPool::neighbour_answers() { implementation_->neighbour_answers(); }
void SessionPool::close() { implementation_->close(); }

}  // namespace imapfs::imap
