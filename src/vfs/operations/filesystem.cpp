#include "imapfs/vfs/filesystem.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "imapfs/base/telemetry.hpp"
#include "vfs/operations/filesystem_views.hpp"
#include "vfs/views/directory_listing.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t max_name = 255;
/// 1 PiB in KiB: a mount with no free blocks is hidden from df.
constexpr std::uint64_t unknown_free_kib = std::uint64_t{1} << 40;

}  // namespace

Result<void> Filesystem::check_name(const std::string& name) {
  if (name.size() > max_name) return fail(ENAMETOOLONG, "a name of {} bytes", name.size());
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    return fail(ENOENT, "not a name");
  }
  return {};
}

Filesystem::Filesystem(sync::Account& account, ChangePublisher& publisher, Settings settings,
                       std::unique_ptr<sync::Outbox> outbox)
    : account_(account), publisher_(publisher), outbox_(std::move(outbox)), settings_(std::move(settings)),
      views_(std::make_unique<Views>(account_, publisher_, settings_, outbox_.get())) {
  publisher_.connect_entries(&views_->entries);
  if (views_->staging) views_->staging->outbox().recover();
}

Filesystem::~Filesystem() { publisher_.connect_entries(nullptr); }

namespace {

DecodedNode message_meaning(const sync::Account& account, const MessageLocation& message) {
  const auto table = account.table(message.mailbox);
  // Under another UIDVALIDITY the UID means another message: 0 means none.
  const bool valid = table && table->uid_validity() == message.uid_validity;
  return DecodedNode{NodeKind::message, message.mailbox, valid ? message.uid.value : 0};
}

}  // namespace

/// What a node stands for now: itself, the message that the kernel knows by it, or, for a copy on its way, the message
/// it is a copy of.
std::optional<DecodedNode> Filesystem::meaning_of(NodeId node) const {
  auto meaning = decode_node(node);
  if (!meaning || (meaning->kind != NodeKind::message && meaning->kind != NodeKind::staged)) return meaning;
  const auto& entries = views_->entries;
  const auto local = entries.find(node);
  // The backup of a message has the node that the message had.
  if (local && local->kind == LocalEntry::Kind::staged) {
    return DecodedNode{NodeKind::staged, local->mailbox, meaning->index};
  }
  if (const auto message = entries.message_of(node)) return message_meaning(account_, *message);
  if (meaning->kind == NodeKind::message) return meaning;
  if (local && local->kind == LocalEntry::Kind::pending && local->source.uid.value != 0) {
    return message_meaning(account_, local->source);
  }
  return meaning;
}

Result<Filesystem::Target> Filesystem::target(NodeId node) const {
  const auto meaning = meaning_of(node);
  View* view = meaning ? views_->find(*meaning) : nullptr;
  if (!view) return fail(ENOENT, "node {:#x} means nothing", node.value);
  return Target{view, Node{node, *meaning}};
}

void Filesystem::lookup(const Caller& caller, NodeId parent, const std::string& name, Reply<Entry> reply) {
  auto directory = target(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  if (name == ".") return directory->view->entry(directory->node, std::move(reply));
  if (name == "..") {
    auto above = target(directory->view->parent(directory->node));
    if (!above) return reply(fail(std::move(above).error()));
    return above->view->entry(above->node, std::move(reply));
  }
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  if (caller.announcer) {
    const auto announcement = announcements_.find(parent, name);
    if (announcement && announcement->kind == Announcement::Kind::created) {
      return reply(fail(ENOENT, "not there until the announcer makes it"));
    }
    if (announcement && announcement->kind == Announcement::Kind::removed) {
      return announced_entry(*announcement, std::move(reply));
    }
  }
  directory->view->lookup(caller, directory->node, name, std::move(reply));
}

void Filesystem::getattr(const Caller& caller, NodeId node, Reply<AttributesReply> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  auto attributes_of = [reply = std::move(reply)](Result<Entry> entry) {
    if (!entry) return reply(fail(std::move(entry).error()));
    reply(AttributesReply{entry->attributes, entry->attribute_timeout});
  };
  if (caller.announcer) {
    if (const auto announcement = announcements_.find(node)) {
      return announced_entry(*announcement, std::move(attributes_of));
    }
  }
  file->view->entry(file->node, std::move(attributes_of));
}

void Filesystem::forget(NodeId node) {
  if (auto file = target(node)) file->view->forget(file->node);
  views_->entries.forget(node);
}

void Filesystem::poll(const Caller&, NodeId node, HandleId handle, std::function<void()> wake, Reply<unsigned> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  const bool ready = file->view->poll(file->node, handle, std::move(wake));
  reply(ready ? unsigned{POLLIN | POLLRDNORM} : 0U);
}

bool Filesystem::waits_for_events(NodeId node) const { return node == fixed_node(FixedNode::events); }

bool Filesystem::cancel(RequestId request) { return publisher_.events().cancel(request); }

void Filesystem::opendir(const Caller& caller, NodeId node, Reply<OpenDirectoryResult> reply) {
  auto directory = target(node);
  if (!directory) return reply(fail(std::move(directory).error()));
  directory->view->open_directory(caller, directory->node, std::move(reply));
}

void Filesystem::readdir(const Caller& caller, const ListRequest& request, Reply<DirectoryPage> reply) {
  auto directory = target(request.node);
  if (!directory) return reply(fail(std::move(directory).error()));
  ListRequest bounded = request;
  bounded.limit = std::clamp<std::size_t>(request.limit, 1, max_page_entries);
  directory->view->list(caller, directory->node, bounded, std::move(reply));
}

void Filesystem::releasedir(NodeId, HandleId) {}

void Filesystem::statfs(const Caller&, Reply<StatFs> reply) {
  account_.usage([reply = std::move(reply)](Result<sync::Usage> usage) {
    // df must work without the server too; it then says what it says for a server without quota.
    const sync::Usage known = usage ? *usage : sync::Usage{};
    StatFs result;
    result.blocks = known.limit_kib.value_or(known.used_kib + unknown_free_kib);
    result.blocks_free = result.blocks > known.used_kib ? result.blocks - known.used_kib : 0;
    reply(result);
  });
}

std::string Filesystem::path_of(NodeId node) const {
  if (const auto local = views_->entries.find(node)) {
    return fmt::format("{}/{}", node_path(account_, mailbox_node(local->mailbox)), local->name);
  }
  if (const auto message = views_->entries.message_of(node)) {
    return node_path(account_, message_node(message->mailbox, message->uid));
  }
  return node_path(account_, node);
}

void Filesystem::shut_down() { publisher_.events().shut_down(); }

}  // namespace imapfs::vfs
