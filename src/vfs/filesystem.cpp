#include "imapfs/vfs/filesystem.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "directory_listing.hpp"
#include "filesystem_views.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t max_name = 255;
/// linux/limits.h XATTR_SIZE_MAX: a longer value is E2BIG for every reader.
constexpr std::size_t max_xattr_value = 65536;
/// 1 PiB in KiB: a mount with no free blocks is hidden from df.
constexpr std::uint64_t unknown_free_kib = std::uint64_t{1} << 40;

/// Whether a directory could hold `name` at all.
Result<void> check_name(const std::string& name) {
  if (name.size() > max_name) return fail(ENAMETOOLONG, "a name of {} bytes", name.size());
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos) {
    return fail(ENOENT, "not a name");
  }
  return {};
}

/// Cut on a character boundary.
std::string at_most(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0U) == 0x80U) --limit;
  text.resize(limit);
  return text;
}

}  // namespace

Filesystem::Filesystem(sync::Account& account, ChangePublisher& publisher, Settings settings,
                       std::shared_ptr<store::Journal> journal)
    : account_(account),
      publisher_(publisher),
      journal_(std::move(journal)),
      settings_(std::move(settings)),
      views_(std::make_unique<Views>(ViewContext{account_, settings_, publisher_.interest()}, publisher_.events())) {}

Filesystem::~Filesystem() = default;

Result<Filesystem::Target> Filesystem::target(NodeId node) const {
  const auto meaning = decode_node(node);
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

void Filesystem::getxattr(const Caller&, NodeId node, const std::string& name, Reply<std::string> reply) {
  // EOPNOTSUPP, not ENODATA: only then does `ls -l` ask once per listing instead of three times per file.
  if (!name.starts_with("user.")) return reply(fail(EOPNOTSUPP, "only attributes named user.* exist here"));
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  file->view->xattr(file->node, name, [reply = std::move(reply)](Result<std::string> value) {
    if (!value) return reply(fail(std::move(value).error()));
    reply(at_most(std::move(*value), max_xattr_value));
  });
}

void Filesystem::listxattr(const Caller&, NodeId node, Reply<std::string> reply) {
  auto file = target(node);
  if (!file) return reply(fail(std::move(file).error()));
  std::string names;
  for (const auto& name : file->view->xattr_names(file->node)) {
    names += name;
    names += '\0';
  }
  reply(std::move(names));
}

std::string Filesystem::path_of(NodeId node) const { return node_path(account_, node); }

void Filesystem::shut_down() { publisher_.events().shut_down(); }

}  // namespace imapfs::vfs
