#include "vfs/nodes/node_meaning.hpp"

#include <fmt/format.h>

#include <utility>

namespace imapfs::vfs {

namespace {

NodeMeaning meaning_of_directory(NodeMeaning::Kind kind, MailboxId mailbox) {
  NodeMeaning meaning;
  meaning.kind = kind;
  meaning.mailbox = mailbox;
  return meaning;
}

bool has_entry(const NodeMeaning& meaning, LocalEntry::Kind kind) {
  return meaning.entry && meaning.entry->kind == kind;
}

}  // namespace

std::optional<NodeMeaning> NodeResolver::resolve(NodeId node) const {
  const auto decoded = decode_node(node);
  if (!decoded) return std::nullopt;
  NodeMeaning meaning;
  switch (decoded->kind) {
    case NodeKind::fixed: meaning.fixed = FixedNode{decoded->index}; return meaning;
    case NodeKind::mailbox: return meaning_of_directory(NodeMeaning::Kind::mailbox, decoded->mailbox);
    case NodeKind::deleted: return meaning_of_directory(NodeMeaning::Kind::deleted, decoded->mailbox);
    case NodeKind::by_uid: return meaning_of_directory(NodeMeaning::Kind::by_uid, decoded->mailbox);
    case NodeKind::local_directory:
      meaning = meaning_of_directory(NodeMeaning::Kind::local_directory, decoded->mailbox);
      meaning.entry = entries_.find(node);
      return meaning;
    case NodeKind::message:
    case NodeKind::staged: return resolve_file(node, *decoded);
    case NodeKind::search:
    case NodeKind::text:
    case NodeKind::parts: break;
  }
  return std::nullopt;
}

NodeMeaning NodeResolver::resolve_file(NodeId node, const DecodedNode& decoded) const {
  NodeMeaning meaning;
  meaning.entry = entries_.find(node);
  meaning.mailbox = meaning.entry ? meaning.entry->mailbox : decoded.mailbox;
  meaning.kind = NodeMeaning::Kind::staged;
  // First of all: the backup of a message is a file with the node that the message had.
  if (has_entry(meaning, LocalEntry::Kind::staged)) return meaning;
  const bool pending = has_entry(meaning, LocalEntry::Kind::pending);
  if (const auto alias = aliases_.message_of(node)) {
    meaning.aliased = true;
    meaning.message = present(*alias);
  } else if (decoded.kind == NodeKind::message) {
    const auto table = account_.mailboxes().table(decoded.mailbox);
    meaning.message = {decoded.mailbox, table ? table->uid_validity() : UidValidity{}, decoded.uid()};
  } else if (!pending) {
    return meaning;
  } else if (meaning.entry->source.uid.value != 0) {
    // A copy is read where its original is.
    meaning.message = present(meaning.entry->source);
  }
  meaning.kind = pending ? NodeMeaning::Kind::pending : NodeMeaning::Kind::message;
  if (!meaning.entry) meaning.mailbox = meaning.message.mailbox;
  return meaning;
}

/// Under another UIDVALIDITY the UID means another message: 0 means none.
MessageLocation NodeResolver::present(const MessageLocation& message) const {
  const auto table = account_.mailboxes().table(message.mailbox);
  const bool valid = table && table->uid_validity() == message.uid_validity;
  return {message.mailbox, message.uid_validity, valid ? message.uid : Uid{0}};
}

std::optional<KernelNode> NodeResolver::kernel_node(const MessageLocation& message) const {
  const auto own = entries_.find(message_node(message.mailbox, message.uid));
  return aliases_.node_of(message, own && own->kind == LocalEntry::Kind::staged);
}

bool NodeResolver::all_messages_have_their_own() const { return aliases_.empty() && entries_.empty(); }

void NodeResolver::await_arrival(NodeId node, std::uint64_t generation, sync::ChangeId change,
                                 Completion<MessageLocation> done) const {
  account_.changes().await_change(
      change, [this, node, generation, change, done = std::move(done)](Result<sync::Arrival> arrival) {
        if (arrival && arrival->message.uid.value != 0) {
          entries_.arrived(node, generation, arrival->message, change);
          return done(arrival->message);
        }
        // It had ended before we asked, or it was refused.
        if (const auto message = aliases_.message_of(node)) return done(*message);
        if (!arrival) return done(fail(std::move(arrival).error().while_doing("wait for the message to arrive")));
        done(fail(EAGAIN, Scope::message, Retry::later, "it is not known yet where the message has arrived"));
      });
}

std::string NodeResolver::path(NodeId node) const {
  const auto meaning = resolve(node);
  if (meaning && meaning->entry) {
    return fmt::format("{}/{}", node_path(account_.mailboxes(), mailbox_node(meaning->entry->mailbox)),
                       meaning->entry->name);
  }
  const bool moved = meaning && meaning->aliased && meaning->message.uid.value != 0;
  return node_path(account_.mailboxes(), moved ? message_node(meaning->message.mailbox, meaning->message.uid) : node);
}

const sync::MailboxNode* find_mailbox(const sync::MailboxTree& tree, const NodeMeaning& node) {
  if (node.kind == NodeMeaning::Kind::fixed) return node.is_root() ? &tree.root() : nullptr;
  return tree.find(node.mailbox);
}

}  // namespace imapfs::vfs
