#pragma once
// Decides how long to pause between repeated rounds with a server. A round that ends at once and brings no news costs a
// pause that grows up to a limit. A round that brings news, or takes its time, costs no pause, unless news never end:
// then a round begins every news_interval.
//
// A plain value: used by one thread, or guarded by its owner.

#include <algorithm>
#include <chrono>

#include "imapfs/base/executor.hpp"

namespace imapfs {

class Pace {
 public:
  struct Settings {
    int free_rounds = 0;  ///< rounds without news that cost no pause: news come in bursts, and some are known already
    SteadyClock::duration first = std::chrono::seconds(1);
    SteadyClock::duration longest = std::chrono::seconds(60);
    /// The next round may begin at once after a round that took this long.
    SteadyClock::duration unhurried = std::chrono::seconds(4);
    /// The interval of rounds with news, beyond a burst of news_burst of them; 0: no limit.
    SteadyClock::duration news_interval{};
    int news_burst = 60;
  };

  explicit Pace(Settings settings) : settings_(settings) {}

  /// Returns the pause before the next round, after one that has ended.
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
  /// A token bucket: each round with news owes news_interval, time pays off, and debt beyond the burst is a pause.
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
