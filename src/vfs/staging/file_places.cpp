#include "vfs/staging/file_places.hpp"

#include <fmt/format.h>

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs {

namespace {

/// The mailbox that a row names; 0 is the root.
std::optional<MailboxId> mailbox_at_top(const sync::MailboxTree& tree, const std::string& server_name) {
  if (server_name.empty()) return MailboxId{0};
  for (const auto& [id, node] : tree.nodes()) {
    if (node.name == server_name) return id;
  }
  return std::nullopt;
}

}  // namespace

std::string FilePlaces::server_name(MailboxId mailbox) const {
  const auto tree = use_.mailboxes.tree();
  const auto* node = tree->find(mailbox);
  return node ? node->name : std::string();
}

Outbox::Location FilePlaces::location_of(const MessageLocation& message) const {
  if (message.uid.value == 0) return {};
  return {server_name(message.mailbox), message.uid_validity, message.uid};
}

std::string FilePlaces::path_of(const StagedFile& file) const {
  const auto tree = use_.mailboxes.tree();
  const auto* mailbox = file.mailbox.value != 0 ? tree->find(file.mailbox) : nullptr;
  return fmt::format("{}/{}", mailbox ? mailbox->path : file.row.mailbox, file.name);
}

void FilePlaces::set(Outbox::Row& row, MailboxId mailbox, const std::string& name) const {
  row.name = name;
  for (std::size_t level = 0; is_local_directory(mailbox) && level < most_levels; ++level) {
    const auto directory = use_.entries.find(mailbox_node(mailbox));
    if (!directory) break;
    row.name = directory->name + "/" + row.name;
    mailbox = directory->mailbox;
  }
  row.mailbox = server_name(mailbox);
}

std::optional<std::pair<MailboxId, std::string>> FilePlaces::find(const Outbox::Row& row) const {
  auto at = mailbox_at_top(*use_.mailboxes.tree(), row.mailbox);
  auto rest = row.name;
  if (rest.ends_with('/')) rest.pop_back();
  for (auto slash = rest.find('/'); at && slash != std::string::npos; slash = rest.find('/')) {
    const auto directory = use_.entries.find(*at, rest.substr(0, slash));
    const bool is = directory && directory->kind == LocalEntry::Kind::directory;
    at = is ? std::optional(decode_node(directory->node)->mailbox) : std::nullopt;
    rest.erase(0, slash + 1);
  }
  if (!at || rest.empty()) return std::nullopt;
  return std::pair(*at, rest);
}

bool FilePlaces::is_in_directory(const Outbox::Row& row) { return row.name.find('/') != std::string::npos; }

void FilePlaces::place(const StagedFilePtr& file, MailboxId mailbox, const std::string& name) const {
  file->mailbox = mailbox;
  file->name = name;
  const auto present = use_.entries.find(file->node);
  if (present && present->mailbox == mailbox && present->name == name) return;
  if (!present) {
    LocalEntry entry;
    entry.kind = LocalEntry::Kind::staged;
    entry.node = file->node;
    entry.generation = file->generation;
    entry.mailbox = mailbox;
    // Taken by nobody else, or rename() below displaces whoever has it.
    entry.name = Outbox::name_of(file->row);
    use_.entries.add(entry);
  }
  const auto displaced = use_.entries.rename(file->node, mailbox, name);
  if (!displaced || displaced->kind != LocalEntry::Kind::staged) return;
  const auto other = use_.files.find(displaced->node);
  if (!other) return;
  other->nameless = true;
  if (other->handles.empty() && !other->busy) use_.files.drop(other);
}

}  // namespace imapfs::vfs
