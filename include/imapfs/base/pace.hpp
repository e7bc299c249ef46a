#pragma once
// How soon the next round may begin of something that goes round and round with a server, when rounds bring nothing:
// what ends at once and brings no news costs a pause that grows, up to a limit. Rounds that bring news, or take their
// time, cost none.
//
// A plain value of one thread, or guarded by its owner.

#include <algorithm>
#include <chrono>

#include "imapfs/base/executor.hpp"

namespace imapfs {

class Pace {
 public:
  struct Settings {
    int free_rounds = 0;  ///< so many that bring nothing cost no pause: news come in bursts, and some are known by then
    SteadyClock::duration first = std::chrono::seconds(1);
    SteadyClock::duration longest = std::chrono::seconds(60);
    /// A round that takes this long may follow another at once.
    SteadyClock::duration unhurried = std::chrono::seconds(4);
  };

  explicit Pace(Settings settings) : settings_(settings) {}

  /// A round has ended: the pause before the next.
  SteadyClock::duration after(bool brought_news, SteadyClock::duration took) {
    if (brought_news || took >= settings_.unhurried) {
      in_vain_ = 0;
      pause_ = {};
      return {};
    }
    if (++in_vain_ <= settings_.free_rounds) return {};
    const auto longest = std::max(settings_.longest, settings_.first);
    pause_ = pause_ == SteadyClock::duration{} ? settings_.first : std::min(2 * pause_, longest);
    return std::max(pause_ - took, SteadyClock::duration{});
  }

 private:
  Settings settings_;
  int in_vain_ = 0;
  SteadyClock::duration pause_{};
};

}  // namespace imapfs
