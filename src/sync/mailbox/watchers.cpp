#include "sync/mailbox/watchers.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace imapfs::sync {
namespace {

constexpr auto in_use = std::chrono::minutes(10);
constexpr auto retarget_pause = std::chrono::seconds(60);

}  // namespace

Watchers::Watchers(Settings settings, Dependencies dependencies)
    : settings_(settings), dependencies_(dependencies),
      poller_({settings.refresh, settings.poll_interval},
              {dependencies.server, dependencies.mailboxes, dependencies.syncs, dependencies.status_news,
               dependencies.idle_trust}) {}

void Watchers::start(std::size_t most_watches) {
  most_watches_ = most_watches;
  tick_soon();
  schedule_tick();
}

void Watchers::stop() {
  const auto watches = std::exchange(*watches_.lock(), {});
  for (const auto& watch : watches) watch->stop();
}

void Watchers::retry_now() {
  for (const auto& watch : all()) watch->watcher().retry_now();
}

void Watchers::ask() {
  for (const auto& watch : all()) watch->watcher().ask();
}

std::vector<MailboxWatch::Snapshot> Watchers::snapshots() const {
  std::vector<MailboxWatch::Snapshot> snapshots;
  for (const auto& watch : all()) snapshots.push_back(watch->snapshot());
  return snapshots;
}

std::vector<Watchers::WatchPointer> Watchers::all() const {
  return watches_.with_lock([](const auto& watches) { return watches; });
}

// -- connections --

/// The watch has a connection, so the pool need not wait before it tries.
void Watchers::on_watch_connected() {
  if (dependencies_.server.online()) return;
  dependencies_.server.retry_now();
  tick_soon();
}

void Watchers::on_watch_lost(bool silently) {
  dependencies_.server.neighbour_lost(silently);
  ask();
}

void Watchers::on_watch_answers() { dependencies_.server.neighbour_answers(); }

// -- the clock --

void Watchers::schedule_tick() {
  const auto interval = std::min<SteadyClock::duration>(settings_.refresh, settings_.poll_interval);
  const auto pause = std::clamp<SteadyClock::duration>(interval / 2, std::chrono::seconds(1), std::chrono::seconds(30));
  dependencies_.helper.after(pause, [this] {
    tick_soon();
    schedule_tick();
  });
}

void Watchers::tick_soon() {
  if (dependencies_.server.stopped() || tick_queued_.exchange(true)) return;
  if (!dependencies_.helper.try_post([this] { tick(); })) tick_queued_ = false;
}

void Watchers::tick() {
  tick_queued_ = false;
  if (dependencies_.server.stopped()) return;
  if (most_watches_ > 0) keep_watching();
  if (settings_.watch) poller_.poll_due();
}

// -- who is watched --

void Watchers::keep_watching() {
  auto watches = all();
  watch_first(watches);
  if (watches.empty()) return;
  if (most_watches_ >= 2 && !dependencies_.server.has("NOTIFY")) watch_second(watches);
  auto current = watches_.lock();
  if (!dependencies_.server.stopped()) *current = std::move(watches);
}

void Watchers::watch_first(std::vector<WatchPointer>& watches) {
  if (watches.empty()) {
    if (const auto inbox = dependencies_.mailboxes.find_wire_name("INBOX"))
      watches.push_back(make_watch("watch-1", inbox));
  } else if (watches[0]->ended()) {
    watches[0]->stop();
    watches[0] = make_watch("watch-1", watches[0]->mailbox());
  }
}

void Watchers::watch_second(std::vector<WatchPointer>& watches) {
  const auto target = last_used();
  const auto now = SteadyClock::now();
  const bool may_change = watches.size() < 2 || now - retargeted_ >= retarget_pause;
  if (!target || !may_change || (watches.size() == 2 && watches[1]->mailbox() == target)) return;
  // Stop the old one first: the number of connections must never be exceeded.
  if (watches.size() == 2) {
    watches.back()->stop();
    watches.pop_back();
    *watches_.lock() = watches;
  }
  watches.push_back(make_watch("watch-2", target));
  retargeted_ = now;
}

MailboxPointer Watchers::last_used() const {
  MailboxPointer best;
  SteadyClock::time_point latest;
  const auto now = SteadyClock::now();
  for (const auto& mailbox : dependencies_.mailboxes.all()) {
    if (mailbox->replica.identity().wire_name == "INBOX") continue;
    const auto accessed = mailbox->activity.lock()->accessed;
    if (accessed <= latest || now - accessed > in_use) continue;
    latest = accessed;
    best = mailbox;
  }
  return best;
}

Watchers::WatchPointer Watchers::make_watch(const std::string& name, const MailboxPointer& mailbox) {
  imap::Watcher::Settings watcher;
  watcher.name = name;
  watcher.renew_after = settings_.idle_renewal;
  watcher.poll_interval = settings_.poll_interval;
  watcher.connect_timeout = settings_.timeout;
  watcher.use_notify = name == "watch-1";
  const MailboxWatch::Dependencies dependencies{dependencies_.server,
                                                dependencies_.rows,
                                                dependencies_.syncs,
                                                dependencies_.status_news,
                                                dependencies_.idle_trust,
                                                dependencies_.list_listener,
                                                *this};
  auto watch = std::make_shared<MailboxWatch>(dependencies, mailbox, watcher, dependencies_.factory);
  watch->watcher().start();
  return watch;
}

}  // namespace imapfs::sync
