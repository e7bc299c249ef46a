#include "vfs/views/message_bodies.hpp"

#include <utility>

namespace imapfs::vfs {

bool MessageBodies::open_can_wait(const Node& node) const {
  return account_.bodies().can_wait(node.meaning.message.mailbox, node.meaning.message.uid);
}

void MessageBodies::open(const Node& node, Opened done) {
  const auto& message = node.meaning.message;
  account_.bodies().open(message.mailbox, message.uid, or_at_new_place(node.id, std::move(done)));
}

void MessageBodies::open_at(const Node& node, std::uint64_t offset, std::size_t length, Opened done) {
  const auto& message = node.meaning.message;
  account_.bodies().open_at(message.mailbox, message.uid, offset, length, or_at_new_place(node.id, std::move(done)));
}

MessageBodies::Opened MessageBodies::or_at_new_place(NodeId node, Opened done) {
  return [this, node, done = std::move(done)](Result<std::shared_ptr<sync::Body>> body) {
    if (body || body.error().errnum != ENOENT) return done(std::move(body));
    open_moved(node, body.error(), done);
  };
}

void MessageBodies::open_moved(NodeId node, const Error& gone, Opened done) {
  find_new_place(node, [this, gone, done = std::move(done)](Place place) {
    if (!place) return done(fail(gone));
    account_.bodies().open(place->mailbox, place->uid, [gone, done](Result<std::shared_ptr<sync::Body>> body) {
      if (!body && body.error().errnum == ENOENT) return done(fail(gone));
      done(std::move(body));
    });
  });
}

/// Nothing if the message has gone nowhere.
void MessageBodies::find_new_place(NodeId node, std::function<void(Place)> done) {
  const auto now = nodes_.resolve(node);
  if (!now) return done(std::nullopt);
  if (now->kind != NodeMeaning::Kind::pending) {
    const bool known = now->aliased && now->message.uid.value != 0;
    return done(known ? Place(now->message) : std::nullopt);
  }
  const auto& pending = *now->entry;
  nodes_.await_arrival(node, pending.generation, pending.change,
                       [this, done = std::move(done)](const Result<MessageLocation>& message) {
                         const auto table = message ? account_.mailboxes().table(message->mailbox) : nullptr;
                         // Under another UIDVALIDITY the UID means another message.
                         const bool same = table && table->uid_validity() == message->uid_validity;
                         done(same ? Place(*message) : std::nullopt);
                       });
}

}  // namespace imapfs::vfs
