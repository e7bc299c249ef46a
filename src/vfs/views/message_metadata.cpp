#include "vfs/views/message_metadata.hpp"

#include <utility>

#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/views/directory_listing.hpp"

namespace imapfs::vfs {

std::optional<MessageMeta> MessageMetadata::row(const Node& node) const {
  const auto table = dependencies_.account.mailboxes().table(node.meaning.message.mailbox);
  return table ? table->find(node.meaning.message.uid) : std::nullopt;
}

std::optional<MessageMeta> MessageMetadata::in_memory(const Node& node) const {
  if (auto meta = row(node)) return meta;
  // The entry of now, not that of the request: the message may have arrived, or been taken over, since.
  auto entry = dependencies_.entries.find(node.id);
  if (!entry || entry->kind == LocalEntry::Kind::staged) return std::nullopt;
  return std::move(entry->meta);
}

void MessageMetadata::find(const Node& node, Completion<MessageMeta> done) const {
  const auto& message = node.meaning.message;
  const auto table = dependencies_.account.mailboxes().table(message.mailbox);
  if (!table) return done(fail(sync::no_such_message()));
  if (auto meta = in_memory(node)) return done(std::move(*meta));
  if (table->complete()) return done(fail(sync::no_such_message()));
  dependencies_.account.mailboxes().find_message(message.mailbox, message.uid, std::move(done));
}

std::optional<Entry> MessageMetadata::entry(const Node& node, const MessageMeta& meta) const {
  const auto tree = dependencies_.account.mailboxes().tree();
  const auto* mailbox = tree->find(node.meaning.message.mailbox);
  if (!mailbox) return std::nullopt;
  const MessageEntries entries(dependencies_.account, dependencies_.settings, *mailbox, uid_validity(node),
                               &dependencies_.nodes);
  auto entry = entries.entry(meta);
  if (entry.node != node.id) {
    // On its way to another mailbox: read where it comes from, known by the kernel as what it was.
    const auto local = dependencies_.entries.find(node.id);
    entries.use_node(entry, node.id, local ? local->generation : entry.generation);
  }
  show_staged_content(dependencies_, entry);
  return entry;
}

UidValidity MessageMetadata::uid_validity(const Node& node) const {
  const auto table = dependencies_.account.mailboxes().table(node.meaning.message.mailbox);
  return table ? table->uid_validity() : UidValidity{0};
}

}  // namespace imapfs::vfs
