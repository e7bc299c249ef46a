#include "imapfs/imap/session_pool.hpp"

#include <algorithm>

#include "imap/pool/session_pool_implementation.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {

SessionPool::Implementation::Implementation(Settings settings, SessionFactory factory, PoolListener* listener)
    : settings_(settings), factory_(std::move(factory)), listener_(listener), gate_(settings.reconnect),
      connect_patience_(shortest_connect_patience()), patience_(settings.give_up_after) {
  for (std::size_t i = 0; i < std::max<std::size_t>(settings_.connections, 1); ++i) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->name = fmt::format("imap-{}", i + 1);
  }
}

SessionPool::Implementation::~Implementation() { close(); }

void SessionPool::Implementation::adopt(std::unique_ptr<Session> session) {
  if (!session) return;
  if (listener_ != nullptr) session->set_listener(listener_->on_session_opened(*session));
  std::vector<Refused> refused;
  {
    const Lock lock(mutex_);
    const auto slot = std::find_if(slots_.begin(), slots_.end(),
                                   [](const auto& candidate) { return !candidate->busy && !candidate->connected; });
    if (!closed_ && slot != slots_.end()) {
      watch_silence(**slot, *session);
      (*slot)->session = std::move(session);
      (*slot)->connected = true;
      (*slot)->description = (*slot)->session->description();
      (*slot)->selected = (*slot)->session->selected();
      (*slot)->last_used = SteadyClock::now();
      gate_.succeeded();
      dispatch(refused);
    }
  }
  complete(std::move(refused));
  if (session) return session->logout();
  report_connectivity();
}

void SessionPool::Implementation::submit(PoolJob job) {
  const auto entry = std::make_shared<Entry>(std::move(job));
  // Runs on the thread that requests the stop; only marks, because that thread may hold locks of its own.
  entry->on_stop.emplace(entry->job.context.stop, [this, stop = entry->stop]() mutable {
    stop.request_stop();
    const Lock lock(mutex_);
    something_stopped_ = true;
    queue_changed_.notify_one();
  });
  std::vector<Refused> refused;
  {
    const Lock lock(mutex_);
    if (closed_) {
      refused.push_back({entry, Error{ECANCELED, Scope::request, Retry::never, "the connections are being closed"}});
    } else if (auto usable = entry->context().check(); !usable) {
      refused.push_back({entry, std::move(usable).error()});
    } else if (interactive_.size() + background_.size() >= settings_.queue_limit) {
      refused.push_back({entry, Error{EAGAIN, Scope::request, Retry::later, "too many requests are waiting"}});
    } else {
      if (!queue_watch_.joinable()) queue_watch_ = std::jthread([this] { run_queue_watch(); });
      (entry->interactive() ? interactive_ : background_).push_back(entry);
      dispatch(refused);
      queue_changed_.notify_one();
    }
  }
  complete(std::move(refused));
}

PoolStatus SessionPool::Implementation::status() const {
  const Lock lock(mutex_);
  PoolStatus status;
  for (const auto& slot : slots_) {
    const auto& current = slot->running ? slot->running : slot->assigned;
    status.connections.push_back({slot->name, slot->connected ? slot->description : std::string(),
                                  slot->connected ? slot->selected : WireName(),
                                  current ? current->job.what : std::string()});
  }
  status.online = online_.value_or(false);
  status.last_error = last_error_;
  status.queued = interactive_.size() + background_.size();
  return status;
}

bool SessionPool::Implementation::online() const {
  const Lock lock(mutex_);
  return online_.value_or(false);
}

bool SessionPool::Implementation::somebody_waits() const {
  const Lock lock(mutex_);
  return !interactive_.empty() || !background_.empty();
}

void SessionPool::Implementation::retry_now() {
  std::vector<Refused> refused;
  {
    const Lock lock(mutex_);
    gate_.forget();
    dispatch(refused);
    queue_changed_.notify_one();
  }
  complete(std::move(refused));
}

void SessionPool::Implementation::close() {
  std::call_once(close_once_, [this] {
    std::vector<EntryPointer> running;
    std::deque<EntryPointer> waiting;
    {
      const Lock lock(mutex_);
      closed_ = true;
      waiting = std::exchange(interactive_, {});
      waiting.insert(waiting.end(), background_.begin(), background_.end());
      background_.clear();
      for (const auto& slot : slots_) {
        if (slot->assigned) waiting.push_back(std::exchange(slot->assigned, nullptr));
        if (slot->running) running.push_back(slot->running);
        slot->work.notify_one();
      }
      queue_changed_.notify_one();
    }
    closing_.request_stop();
    for (const auto& entry : running) entry->stop.request_stop();
    for (const auto& entry : waiting) complete(entry, fail(ECANCELED, "the connections are being closed"));
    for (const auto& slot : slots_)
      if (slot->thread.joinable()) slot->thread.join();
    if (queue_watch_.joinable()) queue_watch_.join();
  });
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
