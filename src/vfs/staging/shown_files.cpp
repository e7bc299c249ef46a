#include "vfs/staging/shown_files.hpp"

namespace imapfs::vfs {

void ShownFiles::show(const StagedFile& file) {
  Shown shown;
  shown.here = file.has_row() || file.content != nullptr || file.copying || !file.original;
  shown.own = file.own || file.dirty;
  shown.status = file.status();
  state_.with_lock([&](State& state) { state.files[file.node] = shown; });
}

void ShownFiles::forget(NodeId node) {
  state_.with_lock([&](State& state) { state.files.erase(node); });
}

std::optional<StagedStatus> ShownFiles::status(NodeId node) const {
  return state_.with_lock([&](const State& state) -> std::optional<StagedStatus> {
    const auto found = state.files.find(node);
    if (found == state.files.end() || !found->second.here) return std::nullopt;
    return found->second.status;
  });
}

void ShownFiles::add_own_message(NodeId node) {
  state_.with_lock([&](State& state) { state.own_messages.insert(node); });
}

void ShownFiles::forget_own_message(NodeId node) {
  state_.with_lock([&](State& state) { state.own_messages.erase(node); });
}

bool ShownFiles::is_own_new_file(NodeId node) const {
  return state_.with_lock([&](const State& state) {
    const auto found = state.files.find(node);
    return (found != state.files.end() && found->second.own) || state.own_messages.contains(node);
  });
}

void ShownFiles::mark_stale_pages(NodeId node) {
  state_.with_lock([&](State& state) { state.stale_pages.insert(node); });
}

bool ShownFiles::take_stale_pages(NodeId node) {
  return state_.with_lock([&](State& state) { return state.stale_pages.erase(node) != 0; });
}

bool ShownFiles::hold_closed(NodeId node) {
  return state_.with_lock([&](State& state) {
    if (state.files.contains(node)) return false;
    ++state.held[node];
    return true;
  });
}

bool ShownFiles::is_held(NodeId node) const {
  return state_.with_lock([&](const State& state) { return state.held.contains(node); });
}

bool ShownFiles::end_hold(NodeId node) {
  return state_.with_lock([&](State& state) {
    const auto held = state.held.find(node);
    if (held == state.held.end() || --held->second > 0) return false;
    state.held.erase(held);
    return true;
  });
}

}  // namespace imapfs::vfs
