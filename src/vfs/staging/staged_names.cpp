#include "vfs/staging/staged_names.hpp"

#include <utility>

namespace imapfs::vfs {

void StagedNames::rename(const Caller& caller, NodeId node, MailboxId mailbox, const std::string& name,
                         const std::optional<OriginalMessage>& replaces, Reply<void> reply) {
  use_.thread.post([this, caller, node, target = StagedRename::Target{mailbox, name, replaces},
                    reply = std::move(reply)] { use_.rename.rename(caller, node, target, reply); });
}

void StagedNames::remove(const Caller& caller, NodeId node, Reply<void> reply) {
  use_.thread.post([this, caller, node, reply = std::move(reply)] { use_.rename.remove(caller, node, reply); });
}

void StagedNames::take_place(const OriginalMessage& own, const std::string& name,
                             const std::optional<OriginalMessage>& target, Reply<bool> reply) {
  use_.thread.post(
      [this, own, name, target, reply = std::move(reply)] { use_.replacement.take_place(own, name, target, reply); });
}

void StagedNames::hold(NodeId node, std::function<void(Hold)> then) { use_.holds.hold(node, std::move(then)); }

void StagedNames::message_gone(NodeId node) {
  use_.thread.post([this, node] { use_.originals.message_gone(node); });
}

void StagedNames::message_renamed(NodeId node, const std::string& name) {
  use_.thread.post([this, node, name] { use_.originals.message_renamed(node, name); });
}

void StagedNames::make_directory(MailboxId parent, const std::string& name, Reply<Entry> reply) {
  use_.thread.post([this, parent, name, reply = std::move(reply)] { reply(use_.directories.make(parent, name)); });
}

void StagedNames::remove_directory(NodeId node, Reply<void> reply) {
  use_.thread.post([this, node, reply = std::move(reply)] { reply(use_.directories.remove(node)); });
}

void StagedNames::rename_directory(NodeId node, MailboxId parent, const std::string& name, Reply<void> reply) {
  use_.thread.post(
      [this, node, parent, name, reply = std::move(reply)] { reply(use_.directories.rename(node, parent, name)); });
}

}  // namespace imapfs::vfs
