#include "imap/pool/liveness.hpp"

#include <algorithm>

namespace imapfs::imap {

Liveness::Liveness(const SessionPool::Settings& settings) : settings_(settings), patience_(settings.give_up_after) {}

void Liveness::server_took(SteadyClock::duration silence) {
  patience_ = std::max(patience_, std::min(2 * silence, settings_.connect_timeout));
}

bool Liveness::is_dead(SteadyClock::duration silent, bool repeatable, SteadyClock::time_point now) const {
  if (silent < settings_.give_up_after) return false;
  // The other connections have been asked meanwhile. If one answered, the network works and the server is only slow.
  const auto since = now - silent;
  if (last_silent_loss_ > since && last_answer_ < since) return true;
  return repeatable && silent >= patience_;
}

bool Liveness::begin_doubt(SteadyClock::time_point now) {
  if (now - last_doubt_ < settings_.doubt_pause) return false;
  last_doubt_ = now;
  return true;
}

}  // namespace imapfs::imap
