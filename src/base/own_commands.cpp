#include "imapfs/base/own_commands.hpp"

#include <unistd.h>

namespace imapfs {

void OwnCommands::add(pid_t group) {
  const std::lock_guard guard(mutex_);
  groups_.insert(group);
  count_ = groups_.size();
}

void OwnCommands::remove(pid_t group) {
  const std::lock_guard guard(mutex_);
  groups_.erase(group);
  count_ = groups_.size();
}

bool OwnCommands::include(pid_t thread) const {
  if (count_ == 0 || thread <= 0) return false;
  const pid_t group = ::getpgid(thread);
  const std::lock_guard guard(mutex_);
  return groups_.contains(group);
}

OwnCommands& own_commands() {
  static OwnCommands commands;
  return commands;
}

}  // namespace imapfs
