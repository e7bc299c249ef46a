#pragma once
// What who mounts is told, because the mount is less than was asked for, or takes longer: on standard error until the
// mount is live, in the log, and for as long as it is true in `.imapfs/status`.
//
// Sentences are for users and hold no secrets. One sentence per topic; a new one takes the place of the old. Threads:
// any.

#include <ctime>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace imapfs {

class Notices {
 public:
  /// True until clear(); told only if it is news.
  void set(const std::string& topic, const std::string& sentence);
  void clear(const std::string& topic);
  /// Said once and not kept: what the next moments are spent on.
  void mention(const std::string& sentence);

  /// From here on the log is open, and gets what was said before. With `on_standard_error` standard error has it by
  /// that.
  void log_is_open(bool on_standard_error);
  /// Standard error is given up.
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

/// Those of this process, as the log is.
Notices& notices();

}  // namespace imapfs
