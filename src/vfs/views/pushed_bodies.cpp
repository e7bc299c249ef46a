#include "vfs/views/pushed_bodies.hpp"

namespace imapfs::vfs {

bool PushedBodies::begin(NodeId node, HandleId handle) {
  return state_.with_lock([&](State& state) {
    const auto [entry, inserted] = state.pushed.try_emplace(node, handle);
    if (!inserted && entry->second == handle) return false;
    entry->second = handle;
    state.order.push_back(node);
    if (state.order.size() > capacity) {
      state.pushed.erase(state.order.front());
      state.order.pop_front();
    }
    return true;
  });
}

void PushedBodies::forget(NodeId node) {
  state_.with_lock([&](State& state) { state.pushed.erase(node); });
}

}  // namespace imapfs::vfs
