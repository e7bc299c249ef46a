#include "imap_log.hpp"

#include <algorithm>
#include <map>

namespace imapfs::testing {

void ImapLog::add(int connection, std::string line) {
  const std::lock_guard guard(mutex_);
  entries_.push_back({connection, Clock::now(), std::move(line)});
  grown_.notify_all();
}

std::vector<ImapLog::Entry> ImapLog::entries() const {
  const std::lock_guard guard(mutex_);
  return entries_;
}

std::size_t ImapLog::matches(const std::string& part, Clock::time_point since) const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.at >= since && entry.line.find(part) != std::string::npos;
  }));
}

std::size_t ImapLog::count(const std::string& part, Clock::time_point since) const {
  const std::lock_guard guard(mutex_);
  return matches(part, since);
}

std::size_t ImapLog::most_of_one_connection(Clock::time_point since) const {
  const std::lock_guard guard(mutex_);
  std::map<int, std::size_t> counts;
  std::size_t most = 0;
  for (const auto& entry : entries_) {
    if (entry.at >= since) most = std::max(most, ++counts[entry.connection]);
  }
  return most;
}

bool ImapLog::wait_for(const std::string& part, std::size_t times, int seconds) const {
  std::unique_lock lock(mutex_);
  return grown_.wait_for(lock, std::chrono::seconds(seconds), [&] { return matches(part, {}) >= times; });
}

std::string ImapLog::text() const {
  std::string text;
  for (const auto& entry : entries()) text += std::to_string(entry.connection) + ": " + entry.line + "\n";
  return text;
}

}  // namespace imapfs::testing
