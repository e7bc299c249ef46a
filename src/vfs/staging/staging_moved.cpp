// A message that is open for writing while it is moved, renamed, removed or replaced: what is written follows the file,
// as on any file system.

#include <memory>
#include <utility>

#include "vfs/staging/staging_implementation.hpp"

namespace imapfs::vfs {
namespace {

/// A move that takes longer waits for a connection: whoever closes the file is not kept until there is one.
constexpr auto longest_move = std::chrono::seconds(20);
/// Between the end of a change and the moment when its outcome is known here.
constexpr auto moment = std::chrono::milliseconds(50);

}  // namespace

void Staging::Implementation::hold(NodeId node, std::function<void(Hold)> then) {
  const bool open = shown_.with_lock([&](Shown& shown) {
    const bool known = shown.files.contains(node);
    if (!known) ++shown.held[node];
    return known;
  });
  if (!open) {
    return then(Hold(this, [weak = weak_from_this(), node](void*) {
      const auto self = weak.lock();
      if (self) self->post([self = self.get(), node] { self->end_hold(node); });
    }));
  }
  post([this, node, then = std::move(then)] {
    const auto file = find(node);
    if (!file) return then(nullptr);
    when_idle(file, [this, file, then] {
      file->busy = true;
      const auto detach = [weak = weak_from_this(), file](void*) {
        const auto self = weak.lock();
        if (!self) return;
        self->post([self = self.get(), file] {
          self->go_on(file);
          self->check_settled();
        });
      };
      then(Hold(file.get(), detach));
    });
  });
}

bool Staging::Implementation::is_held(NodeId node) const {
  return shown_.with_lock([&](const Shown& shown) { return shown.held.contains(node); });
}

void Staging::Implementation::end_hold(NodeId node) {
  const bool last = shown_.with_lock([&](Shown& shown) {
    const auto held = shown.held.find(node);
    if (held == shown.held.end() || --held->second > 0) return false;
    shown.held.erase(held);
    return true;
  });
  if (!last) return;
  const auto waiting = waiting_opens_.find(node);
  if (waiting != waiting_opens_.end()) {
    const auto opens = std::move(waiting->second);
    waiting_opens_.erase(waiting);
    for (const auto& open : opens) open();
  }
  gone_while_held_.erase(node);
}

/// The name may lead elsewhere by now, or nowhere: on ESTALE the kernel looks it up again.
void Staging::Implementation::open_after_hold(const Caller& caller, const Original& original, int flags,
                                              const Reply<OpenResult>& reply) {
  const auto local = around_.entries.find(original.node);
  const bool on_its_way = local && local->kind == LocalEntry::Kind::pending;
  if (on_its_way || gone_while_held_.contains(original.node)) {
    return reply(fail(ESTALE, Scope::message, Retry::now, "the message was moved or removed meanwhile"));
  }
  auto present = original;
  refresh(present);
  open_message(caller, present, flags, reply);
}

void Staging::Implementation::message_gone(NodeId node) {
  const auto file = find(node);
  if (file && file->original) file->message_gone = true;
  if (!file && is_held(node)) gone_while_held_.insert(node);
}

/// The message may be back: it was restored, or the server has refused to let it go. On its way out, to the trash too,
/// it is not.
void Staging::Implementation::judge_name(File& file) const {
  if (!file.message_gone || !file.original) return;
  refresh(*file.original);
  const auto& message = file.original->message;
  const auto table = around_.account.table(message.mailbox);
  const bool same = table && table->uid_validity() == message.uid_validity;
  file.nameless = !same || table->place(message.uid) != sync::MessageTable::Place::listed;
  file.message_gone = file.nameless;
}

void Staging::Implementation::message_renamed(NodeId node, const std::string& name) {
  const auto file = find(node);
  if (file && file->original) file->original->meta.file_name = name;
}

void Staging::Implementation::follow_message(const FilePtr& file, const std::function<void(Result<void>)>& job) {
  if (!file->original) return job({});
  const auto is_on_its_way = [this, node = file->node] {
    const auto local = around_.entries.find(node);
    return local && local->kind == LocalEntry::Kind::pending ? local : std::nullopt;
  };
  const auto local = is_on_its_way();
  if (!local) return job({});
  file->busy = true;
  const auto known = [this, file, job, ended = std::make_shared<bool>(false)](Result<void> place) {
    if (std::exchange(*ended, true)) return;
    file->busy = false;
    job(std::move(place));
    if (!file->busy) go_on(file);
  };
  later(longest_move, [known] {
    known(fail(ETIMEDOUT, Scope::message, Retry::later, "the message is still on its way to another mailbox"));
  });
  around_.account.await_change(
      local->change, on_thread<sync::Arrival>([this, file, known, is_on_its_way,
                                               change = local->change](Result<sync::Arrival> arrival) {
        if (arrival && arrival->message.uid.value != 0) {
          around_.entries.arrived(file->node, file->generation, arrival->message, change);
          return known({});
        }
        const auto unknown = fail(EAGAIN, Scope::message, Retry::later,
                                  "it is not known where the message has arrived");
        if (arrival) return known(unknown);
        // Refused: it is where it was. Or the change has ended before we asked, and what came of it is about to be
        // told.
        later(moment,
              [known, is_on_its_way, unknown] { known(is_on_its_way() ? Result<void>(unknown) : Result<void>()); });
      }));
}

}  // namespace imapfs::vfs
