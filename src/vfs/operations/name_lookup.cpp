#include "vfs/operations/name_lookup.hpp"

#include <utility>

#include "imapfs/sync/errors.hpp"
#include "vfs/staging/local_directories.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

NamedFile fixed(bool is_directory, NodeId node, const std::string& name) {
  NamedFile file;
  file.kind = NamedFile::Kind::fixed;
  file.is_directory = is_directory;
  file.node = node;
  file.name = name;
  return file;
}

}  // namespace

NamedFile at(NamedFile file, const MessageLocation& message) {
  file.kind = NamedFile::Kind::message;
  file.message = message;
  file.meta.uid = message.uid;
  return file;
}

sync::ChangeSource source_of(const NamedFile& file) {
  return sync::ChangeSource{file.message, file.kind == NamedFile::Kind::pending ? file.change : sync::ChangeId{}};
}

void NameLookup::find(const Node& parent, const std::string& name, Completion<NamedFile> done) const {
  const auto& meaning = parent.meaning;
  if (meaning.kind == NodeMeaning::Kind::deleted) return done(in_deleted(parent, name));
  if (meaning.is_in_tree()) {
    const auto tree = dependencies_.account.mailboxes().tree();
    const auto* mailbox = find_mailbox(*tree, meaning);
    if (!mailbox) return done(fail(sync::no_such_mailbox()));
    if (const auto child = mailbox->children.find(name); child != mailbox->children.end()) {
      NamedFile file;
      file.kind = NamedFile::Kind::mailbox;
      file.is_directory = true;
      file.node = mailbox_node(child->second);
      file.mailbox = child->second;
      file.name = name;
      return done(std::move(file));
    }
    if (!meaning.is_root()) return in_mailbox(mailbox->id, name, std::move(done));
    if (name == control_directory_name) return done(fixed(true, fixed_node(FixedNode::control_directory), name));
    const auto entry = dependencies_.entries.find(MailboxId{0}, name);
    return done(entry ? local(*entry) : NamedFile{});
  }
  if (meaning.kind == NodeMeaning::Kind::local_directory)
    return in_local_directory(meaning.mailbox, name, std::move(done));
  // Its names are UIDs, which are the server's.
  if (meaning.kind == NodeMeaning::Kind::by_uid) return done(fixed(false, NodeId{}, name));
  if (meaning.kind == NodeMeaning::Kind::fixed) return done(in_control_directory(parent, name));
  done(fail(ENOTDIR, "not a directory"));
}

NamedFile NameLookup::as_it_is_now(NamedFile file) const {
  const auto present = aliases_.message_of(file.node);
  if (file.kind != NamedFile::Kind::message || !present) return file;
  return at(std::move(file), *present);
}

std::optional<NamedFile> NameLookup::arrived(const NamedFile& pending) const {
  const auto message = aliases_.message_of(pending.node);
  if (pending.kind != NamedFile::Kind::pending || !message) return std::nullopt;
  return at(pending, *message);
}

NamedFile NameLookup::in_control_directory(const Node& parent, const std::string& name) const {
  // Which control files there are is the view's business: none of them can be changed, whatever its name.
  if (parent.id == fixed_node(FixedNode::control_directory)) {
    return name == "outbox" ? fixed(true, fixed_node(FixedNode::outbox), name) : fixed(false, NodeId{}, name);
  }
  if (parent.id != fixed_node(FixedNode::outbox) || !dependencies_.staging) return {};
  for (const auto& waiting : dependencies_.staging->outbox().files()) {
    if (waiting.name != name) continue;
    NamedFile file;
    file.kind = NamedFile::Kind::staged;
    file.node = waiting.node;
    file.name = name;
    return file;
  }
  return {};
}

NamedFile NameLookup::in_deleted(const Node& parent, const std::string& name) const {
  const auto table = dependencies_.account.mailboxes().table(parent.meaning.mailbox);
  const auto meta = table ? table->find_deleted_by_name(name) : std::nullopt;
  return meta ? message(NamedFile::Kind::deleted, parent.meaning.mailbox, name, *meta) : NamedFile{};
}

void NameLookup::in_mailbox(MailboxId mailbox, const std::string& name, Completion<NamedFile> done) const {
  const auto table = dependencies_.account.mailboxes().table(mailbox);
  const auto entry = dependencies_.entries.find(mailbox, name);
  if (!table) return done(entry ? local(*entry) : NamedFile{});
  if (name == deleted_directory_name) return done(fixed(true, deleted_node(mailbox), name));
  if (name == uid_directory_name) return done(fixed(true, by_uid_node(mailbox), name));
  if (entry) {
    if (entry->kind != LocalEntry::Kind::arrived || !taken_over(*table, *entry)) return done(local(*entry));
  }
  if (const auto meta = table->find_by_name(name)) {
    return done(message(NamedFile::Kind::message, mailbox, name, *meta));
  }
  if (name.starts_with('.')) return done(NamedFile{});
  dependencies_.account.mailboxes().find_message(
      mailbox, name, [this, mailbox, name, done = std::move(done)](Result<MessageMeta> meta) {
        if (meta) return done(message(NamedFile::Kind::message, mailbox, name, *meta));
        if (meta.error().errnum == ENOENT) return done(NamedFile{});
        done(fail(std::move(meta).error().while_doing("find the message")));
      });
}

void NameLookup::in_local_directory(MailboxId directory, const std::string& name, Completion<NamedFile> done) const {
  if (const auto entry = dependencies_.entries.find(directory, name)) return done(local(*entry));
  const auto shown = shown_mailbox(dependencies_.account.mailboxes(), dependencies_.entries, directory);
  if (!shown) return done(NamedFile{});
  in_mailbox(*shown, name, std::move(done));
}

NamedFile NameLookup::local(const LocalEntry& entry) const {
  NamedFile file;
  if (entry.kind == LocalEntry::Kind::directory) {
    file.kind = NamedFile::Kind::directory;
    file.is_directory = true;
    file.node = entry.node;
    file.mailbox = decode_node(entry.node)->mailbox;
    file.name = entry.name;
    return file;
  }
  file.kind = entry.kind == LocalEntry::Kind::staged    ? NamedFile::Kind::staged
              : entry.kind == LocalEntry::Kind::pending ? NamedFile::Kind::pending
                                                        : NamedFile::Kind::message;
  file.node = entry.node;
  file.generation = entry.generation;
  file.mailbox = entry.mailbox;
  file.name = entry.name;
  file.message = entry.kind == LocalEntry::Kind::arrived ? entry.message : entry.source;
  file.meta = entry.meta;
  file.meta.file_name = entry.name;
  file.change = entry.change;
  return file;
}

NamedFile NameLookup::message(NamedFile::Kind kind, MailboxId mailbox, const std::string& name,
                              const MessageMeta& meta) const {
  const auto table = dependencies_.account.mailboxes().table(mailbox);
  NamedFile file;
  file.kind = kind;
  file.mailbox = mailbox;
  file.name = name;
  file.meta = meta;
  file.message = {mailbox, table ? table->uid_validity() : UidValidity{}, meta.uid};
  file.node = message_node(mailbox, meta.uid);
  file.generation = generation_of(file.message.uid_validity);
  if (const auto kernel = dependencies_.nodes.kernel_node(file.message)) {
    file.node = kernel->node;
    file.generation = kernel->generation;
  }
  return file;
}

}  // namespace imapfs::vfs
