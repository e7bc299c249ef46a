#pragma once
// How soon the next round may begin of something that goes round and round with a server, when rounds bring nothing:
// what ends at once and brings no news costs a pause that grows, up to a limit. Rounds that bring news, or take their
// time, cost none, unless news come without end: then a round is begun every news_interval.
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
    /// Of rounds with news, where there are more than news_burst of them in hand; 0: no limit.
    SteadyClock::duration news_interval{};
    int news_burst = 60;
  };

  explicit Pace(Settings settings) : settings_(settings) {}

  /// A round has ended: the pause before the next.
  SteadyClock::duration after(bool brought_news, SteadyClock::duration took) {
    const auto earned = pause_of_news(brought_news, took);
    if (brought_news || took >= settings_.unhurried) {
      in_vain_ = 0;
      pause_ = {};
      return earned;
    }
    if (++in_vain_ <= settings_.free_rounds) return {};
    const auto longest = std::max(settings_.longest, settings_.first);
    pause_ = pause_ == SteadyClock::duration{} ? settings_.first : std::min(2 * pause_, longest);
    return std::max(pause_ - took, SteadyClock::duration{});
  }

 private:
  /// What rounds with news cost beyond the time that has gone by is owed, and paid where it is too much.
  SteadyClock::duration pause_of_news(bool brought_news, SteadyClock::duration took) {
    owed_ = std::max(owed_ - took, SteadyClock::duration{});
    if (!brought_news) return {};
    owed_ += settings_.news_interval;
    const auto pause = std::max(owed_ - settings_.news_burst * settings_.news_interval, SteadyClock::duration{});
    owed_ -= pause;
    return pause;
  }

  Settings settings_;
  int in_vain_ = 0;
  SteadyClock::duration pause_{};
  SteadyClock::duration owed_{};
};

}  // namespace imapfs
