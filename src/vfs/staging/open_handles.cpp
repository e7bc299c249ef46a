#include "vfs/staging/open_handles.hpp"

#include <algorithm>

namespace imapfs::vfs {

void OpenHandles::add(HandleId handle, pid_t process, bool writes) {
  opens_[handle] = Open{.process = process, .writes = writes};
}

OpenHandles::Open* OpenHandles::find(HandleId handle) {
  const auto found = opens_.find(handle);
  return found == opens_.end() ? nullptr : &found->second;
}

bool OpenHandles::is_being_written() const {
  return std::any_of(opens_.begin(), opens_.end(),
                     [](const auto& open) { return open.second.writes && !open.second.flushed; });
}

bool OpenHandles::others_write(HandleId handle) const {
  return std::any_of(opens_.begin(), opens_.end(),
                     [&](const auto& other) { return other.first != handle && other.second.writes; });
}

bool OpenHandles::is_others_work(HandleId handle) const {
  const auto own = opens_.find(handle);
  if (own == opens_.end() || own->second.wrote) return false;
  return std::any_of(opens_.begin(), opens_.end(), [](const auto& other) { return other.second.wrote; });
}

void OpenHandles::keep_offsets() {
  for (auto& [handle, open] : opens_) open.from_before = true;
}

}  // namespace imapfs::vfs
