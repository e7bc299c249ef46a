#pragma once
// What users are told because the mount is less than they asked for, or takes longer. A notice goes to standard error
// until the mount is live, to the log, and for as long as it is true to `.imapfs/status`.
//
// Sentences are for users and hold no secrets. Each topic has one sentence; a new one replaces it. Threads: any.

#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace imapfs {

class Notices {
 public:
  /// Keeps the sentence until clear(); reports it only if it differs from the topic's present one.
  void set(const std::string& topic, const std::string& sentence);
  void clear(const std::string& topic);
  /// Reports a sentence once without keeping it: what the mount is busy with now.
  void mention(const std::string& sentence);

  /// The log is open from now on and gets the sentences that were reported before. `on_standard_error`: the log itself
  /// writes to standard error, so nothing is written there twice.
  void log_is_open(bool on_standard_error);
  /// Nothing is written to standard error from now on.
  void mount_is_live();
  [[nodiscard]] bool is_live() const;

  struct Notice {
    std::string topic;  ///< "second mount"
    std::string text;   ///< printable
    std::time_t since = 0;
  };
  [[nodiscard]] std::vector<Notice> all() const;

 private:
  void tell(const std::string& sentence);

  mutable std::mutex mutex_;
  std::map<std::string, Notice> notices_;
  std::vector<std::string> before_the_log_;
  bool log_open_ = false;
  bool log_on_standard_error_ = false;
  bool live_ = false;
};

/// The notices of this process; there is one log, too.
Notices& notices();

}  // namespace imapfs
