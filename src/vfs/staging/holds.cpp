#include "vfs/staging/holds.hpp"

#include <utility>

namespace imapfs::vfs {

void Holds::hold(NodeId node, std::function<void(Hold)> then) {
  if (use_.shown.hold_closed(node)) {
    return then(Hold(this, [ended = use_.thread.posting([this, node] { end(node); })](void*) { ended(); }));
  }
  use_.thread.post([this, node, then = std::move(then)] {
    const auto file = use_.files.find(node);
    if (!file) return then(nullptr);
    use_.files.when_idle(file, [this, file, then] {
      file->busy = true;
      const auto go_on = use_.thread.posting([this, file] {
        use_.files.go_on(file);
        use_.waiters.check();
      });
      then(Hold(file.get(), [go_on](void*) { go_on(); }));
    });
  });
}

bool Holds::await_end(NodeId node, Job open) {
  if (!use_.shown.is_held(node)) return false;
  waiting_opens_[node].push_back(std::move(open));
  return true;
}

void Holds::note_gone(NodeId node) {
  if (use_.shown.is_held(node)) gone_.insert(node);
}

void Holds::end(NodeId node) {
  if (!use_.shown.end_hold(node)) return;
  const auto waiting = waiting_opens_.find(node);
  if (waiting != waiting_opens_.end()) {
    const auto opens = std::move(waiting->second);
    waiting_opens_.erase(waiting);
    for (const auto& open : opens) open();
  }
  gone_.erase(node);
}

}  // namespace imapfs::vfs
