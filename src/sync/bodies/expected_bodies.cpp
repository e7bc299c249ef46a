#include "sync/bodies/expected_bodies.hpp"

#include <algorithm>
#include <utility>

namespace imapfs::sync {

UidSet ExpectedBodies::add(const std::vector<BodyFetcher::SetSource::Message>& messages) {
  std::vector<Uid> uids;
  const std::lock_guard guard(mutex_);
  for (const auto& message : messages) {
    if (!expected_.try_emplace(message.uid, Expected{message.size, asked_bytes_, sets_ + 1, nullptr}).second) continue;
    uids.push_back(message.uid);
    asked_bytes_ += message.size;
  }
  // Count only sets that are sent, because answered() counts those.
  if (!uids.empty()) ++sets_;
  return UidSet::of(std::move(uids));
}

UidSet ExpectedBodies::ask_again() {
  std::vector<Uid> missing;
  const std::lock_guard guard(mutex_);
  first_set_ = sets_ + 1;
  if (!expected_.empty()) ++sets_;
  for (auto& [uid, message] : expected_) {
    message.set = first_set_;
    missing.push_back(uid);
  }
  return UidSet::of(std::move(missing));
}

bool ExpectedBodies::contains(Uid uid) const {
  const std::lock_guard guard(mutex_);
  return expected_.contains(uid);
}

bool ExpectedBodies::wait(Uid uid, const Waiting& download, std::uint64_t most) {
  const std::lock_guard guard(mutex_);
  const auto found = expected_.find(uid);
  const bool soon = found != expected_.end() && !found->second.waiting &&
                    found->second.position <= arrived_bytes_ + most;
  if (!soon || ended_) return false;
  found->second.waiting = download;
  return true;
}

std::optional<ExpectedBodies::Begun> ExpectedBodies::begin(Uid uid) {
  const std::lock_guard guard(mutex_);
  const auto found = expected_.find(uid);
  if (found == expected_.end()) return std::nullopt;
  const auto& message = found->second;
  arrived_bytes_ = std::max(arrived_bytes_, message.position);
  return Begun{message.size, message.waiting != nullptr};
}

ExpectedBodies::Waiting ExpectedBodies::take(Uid uid) {
  const std::lock_guard guard(mutex_);
  auto found = expected_.extract(uid);
  return found.empty() ? nullptr : std::move(found.mapped().waiting);
}

std::vector<ExpectedBodies::Waiting> ExpectedBodies::answered(std::size_t number) {
  std::vector<Waiting> waiting;
  const std::lock_guard guard(mutex_);
  std::erase_if(expected_, [&](auto& entry) {
    if (entry.second.set != first_set_ + number) return false;
    if (entry.second.waiting) waiting.push_back(std::move(entry.second.waiting));
    return true;
  });
  return waiting;
}

std::vector<ExpectedBodies::Waiting> ExpectedBodies::end() {
  std::vector<Waiting> waiting;
  const std::lock_guard guard(mutex_);
  ended_ = true;
  for (auto& [uid, message] : std::exchange(expected_, {}))
    if (message.waiting) waiting.push_back(std::move(message.waiting));
  return waiting;
}

}  // namespace imapfs::sync
