#include "imapfs/base/notices.hpp"

#include <cstdio>

#include "imapfs/base/telemetry.hpp"

namespace imapfs {
namespace {

constexpr std::size_t longest_sentence = 2000;

}  // namespace

/// Called with the lock held, so that sentences of two threads do not mix.
void Notices::tell(const std::string& sentence) {
  const auto text = telemetry::printable(sentence, longest_sentence);
  if (!live_ && !log_on_standard_error_) std::fprintf(stderr, "imapfs: warning: %s\n", text.c_str());
  if (log_open_) telemetry::warning("{}", text);
  else before_the_log_.push_back(text);
}

void Notices::set(const std::string& topic, const std::string& sentence) {
  const std::lock_guard guard(mutex_);
  auto& notice = notices_[topic];
  if (notice.text == telemetry::printable(sentence, longest_sentence)) return;
  notice = {topic, telemetry::printable(sentence, longest_sentence), std::time(nullptr)};
  tell(sentence);
}

void Notices::clear(const std::string& topic) {
  const std::lock_guard guard(mutex_);
  notices_.erase(topic);
}

void Notices::mention(const std::string& sentence) {
  const std::lock_guard guard(mutex_);
  tell(sentence);
}

void Notices::log_is_open(bool on_standard_error) {
  const std::lock_guard guard(mutex_);
  log_open_ = true;
  log_on_standard_error_ = on_standard_error;
  if (!on_standard_error)
    for (const auto& text : before_the_log_) telemetry::warning("{}", text);
  before_the_log_.clear();
}

void Notices::mount_is_live() {
  const std::lock_guard guard(mutex_);
  live_ = true;
}

bool Notices::is_live() const {
  const std::lock_guard guard(mutex_);
  return live_;
}

std::vector<Notices::Notice> Notices::all() const {
  const std::lock_guard guard(mutex_);
  std::vector<Notice> all;
  for (const auto& [topic, notice] : notices_) all.push_back(notice);
  return all;
}

Notices& notices() {
  static Notices of_this_process;
  return of_this_process;
}

}  // namespace imapfs
