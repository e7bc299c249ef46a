// Connections that die without a word: how a silent one is found out, and how the others help. Nobody is told when a
// NAT forgets a connection or a network is gone; until an answer is overdue a dead connection looks like one that
// rests. What is rested is asked by NOOP.

#include <algorithm>

#include "imap/pool/session_pool_implementation.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {

bool SessionPool::Implementation::answers(Slot& slot, CallContext context) {
  const auto patience = SteadyClock::now() + settings_.answer_patience;
  context.deadline = std::min(context.deadline, patience);
  const auto answer = slot.session->noop(context);
  note_state(slot);
  const bool alive = answer || answer.error().scope < Scope::session;
  {
    const Lock lock(mutex_);
    const auto now = SteadyClock::now();
    if (alive) {
      slot.suspect = false;
      last_answer_ = now;
    } else if (answer.error().errnum == ETIMEDOUT && now >= patience) {
      last_silent_loss_ = now;
    }
  }
  if (!alive) discard_session(slot, answer.error());
  return alive;
}

void SessionPool::Implementation::watch_silence(Slot& slot, Session& session) {
  SilenceWatch watch;
  watch.every = settings_.doubt_after / 2;
  watch.gives_up = [this, &slot](SteadyClock::duration silent, bool changing) {
    return gives_up(slot, silent, changing);
  };
  session.set_silence_watch(std::move(watch));
}

bool SessionPool::Implementation::gives_up(Slot& slot, SteadyClock::duration silent, bool changing) {
  if (silent < settings_.doubt_after) return false;
  const auto now = SteadyClock::now();
  bool doubts = false;
  {
    const Lock lock(mutex_);
    if (is_dead(slot, now, silent, changing)) return true;
    slot.longest_silence = std::max(slot.longest_silence, silent);
    doubts = now - last_doubt_ >= settings_.doubt_pause;
    if (doubts) {
      last_doubt_ = now;
      ask_idle_slots();
    }
  }
  if (doubts && listener_ != nullptr) listener_->on_connection_doubted();
  return false;
}

bool SessionPool::Implementation::is_dead(const Slot& slot, SteadyClock::time_point now, SteadyClock::duration silent,
                                          bool changing) const {
  if (silent < settings_.give_up_after) return false;
  // The others have been asked meanwhile. Those that answer say that the network is there, and the server only slow.
  const auto since = now - silent;
  if (last_silent_loss_ > since && last_answer_ < since) return true;
  // What changes something must not be done twice, and a slow server may be doing it.
  if (changing || slot.fresh || silent < patience_) return false;
  return slot.running && !slot.running->was_silent;
}

void SessionPool::Implementation::ask_idle_slots() {
  for (const auto& slot : slots_) {
    slot->suspect = true;
    // One that only tells what became of its job is about to rest, and is asked then.
    if (closed_ || !slot->connected || (slot->busy && !slot->finishing) || slot->assigned) continue;
    slot->to_be_asked = true;
    wake(*slot);
  }
}

void SessionPool::Implementation::neighbour_lost(bool silently) {
  const Lock lock(mutex_);
  if (silently) last_silent_loss_ = SteadyClock::now();
  ask_idle_slots();
}

void SessionPool::Implementation::neighbour_answers() {
  const Lock lock(mutex_);
  last_answer_ = SteadyClock::now();
}

}  // namespace imapfs::imap
