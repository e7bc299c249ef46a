#include "vfs/views/message.hpp"

#include <utility>

#include "imapfs/sync/errors.hpp"
#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

/// Attributes known without asking for header fields. Nothing where the server has no such thing.
std::optional<std::string> xattr_from_meta(const MessageMeta& meta, std::string_view name) {
  if (name == "user.imap.uid") return std::to_string(meta.uid.value);
  if (name == "user.imap.flags") return meta.flags.to_string();
  if (name == "user.imap.internaldate") return rfc3339(meta.internal_date);
  if (name == "user.imap.modseq" && meta.modseq.value != 0) return std::to_string(meta.modseq.value);
  return std::nullopt;
}

std::optional<std::string> xattr_from_details(const sync::MessageDetails& details, std::string_view name) {
  if (name == "user.imap.message-id") return details.headers.message_id;
  if (name == "user.imap.from") return details.headers.from;
  if (name == "user.imap.to") return details.to;
  if (name == "user.imap.subject") return details.headers.subject;
  return std::nullopt;
}

/// Of a message on its way: what a server will say of it is not known.
bool is_known_on_arrival(std::string_view name) {
  return name == "user.imap.uid" || name == "user.imap.uidvalidity" || name == "user.imap.modseq";
}

bool comes_from_details(std::string_view name) { return xattr_from_details({}, name).has_value(); }

bool comes_from_meta(std::string_view name) {
  return name == "user.imap.uid" || name == "user.imap.flags" || name == "user.imap.internaldate" ||
         name == "user.imap.modseq";
}

bool is_on_its_way(const Node& node) { return node.meaning.kind == NodeMeaning::Kind::pending; }

}  // namespace

MessageView::MessageView(const ViewDependencies& dependencies, KernelPublisher& kernel)
    : account_(dependencies.account), metadata_(dependencies), bodies_(dependencies.account, dependencies.nodes),
      reader_(dependencies.settings, metadata_, bodies_, kernel) {}

void MessageView::entry(const Node& node, Reply<Entry> reply) {
  if (const auto meta = metadata_.in_memory(node)) {
    if (auto entry = metadata_.entry(node, *meta)) return reply(std::move(*entry));
  }
  if (auto open = reader_.entry_when_opened(node.id)) {
    open->attributes.links = 0;
    open->entry_timeout = std::chrono::seconds(0);
    return reply(std::move(*open));
  }
  metadata_.find(node, [this, node, reply = std::move(reply)](Result<MessageMeta> meta) {
    if (!meta) return reply(fail(std::move(meta).error()));
    if (auto entry = metadata_.entry(node, *meta)) return reply(std::move(*entry));
    reply(fail(sync::no_such_message()));
  });
}

NodeId MessageView::parent(const Node& node) const { return mailbox_node(node.meaning.message.mailbox); }

void MessageView::open(const Caller&, const Node& node, int, Reply<OpenResult> reply) {
  reader_.open(node, std::move(reply));
}

void MessageView::read(const Caller&, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  reader_.read(node, request, std::move(reply));
}

void MessageView::release(const Node& node, HandleId handle) { reader_.release(node.id, handle); }

void MessageView::forget(const Node& node) { reader_.forget(node.id); }

void MessageView::xattr(const Node& node, const std::string& name, Reply<std::string> reply) {
  if (is_known_on_arrival(name) && is_on_its_way(node)) return reply(fail(ENODATA, "the message has not arrived yet"));
  if (name == "user.imap.uidvalidity") {
    const auto value = metadata_.uid_validity(node).value;
    if (value == 0) return reply(fail(ENODATA, "the server has no UIDVALIDITY here"));
    return reply(std::to_string(value));
  }
  if (comes_from_meta(name)) {
    return metadata_.find(node, [name, reply = std::move(reply)](Result<MessageMeta> meta) {
      if (!meta) return reply(fail(std::move(meta).error()));
      if (auto value = xattr_from_meta(*meta, name)) return reply(std::move(*value));
      reply(fail(ENODATA, "the server has no such property"));
    });
  }
  if (comes_from_details(name)) {
    return account_.mailboxes().details(
        node.meaning.message.mailbox, node.meaning.message.uid,
        [name, reply = std::move(reply)](Result<sync::MessageDetails> details) {
          if (!details) return reply(fail(std::move(details).error().while_doing("get header fields")));
          reply(xattr_from_details(*details, name).value_or(std::string()));
        });
  }
  reply(fail(ENODATA, "no such attribute"));
}

std::vector<std::string> MessageView::xattr_names(const Node& node) const {
  std::vector<std::string> names = {"user.imap.flags", "user.imap.internaldate"};
  const bool arrived = !is_on_its_way(node);
  if (arrived) names.emplace_back("user.imap.uid");
  if (arrived && metadata_.uid_validity(node).value != 0) names.emplace_back("user.imap.uidvalidity");
  const auto meta = metadata_.row(node);
  if (arrived && meta && meta->modseq.value != 0) names.emplace_back("user.imap.modseq");
  for (const char* name : {"user.imap.message-id", "user.imap.from", "user.imap.to", "user.imap.subject"}) {
    names.emplace_back(name);
  }
  return names;
}

}  // namespace imapfs::vfs
