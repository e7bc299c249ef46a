#include "imapfs/vfs/filesystem.hpp"

#include <linux/falloc.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "imapfs/base/on_success.hpp"
#include "vfs/news/event_log.hpp"
#include "vfs/news/kernel_publisher.hpp"
#include "vfs/nodes/local_entries.hpp"
#include "vfs/nodes/node_aliases.hpp"
#include "vfs/nodes/node_meaning.hpp"
#include "vfs/operations/announced_changes.hpp"
#include "vfs/operations/attribute_operation.hpp"
#include "vfs/operations/copy_operation.hpp"
#include "vfs/operations/make_directory_operation.hpp"
#include "vfs/operations/name_lookup.hpp"
#include "vfs/operations/open_operation.hpp"
#include "vfs/operations/pending_moves.hpp"
#include "vfs/operations/remove_operation.hpp"
#include "vfs/operations/rename_operation.hpp"
#include "vfs/operations/writable.hpp"
#include "vfs/operations/xattr_operation.hpp"
#include "vfs/staging/linked_names.hpp"
#include "vfs/staging/staging.hpp"
#include "vfs/staging/temporary_names.hpp"
#include "vfs/views/node_views.hpp"

namespace imapfs::vfs {

namespace {

/// 1 PiB in KiB: a mount with no free blocks is hidden from df.
constexpr std::uint64_t unknown_free_kib = std::uint64_t{1} << 40;

template <class T>
void refuse_link(const char* what, const Reply<T>& reply) {
  reply(fail(EPERM, "a mailbox holds messages only: {}", what));
}

}  // namespace

/// What the operations are made of, in the order in which the parts use each other.
struct Filesystem::Parts {
  Parts(sync::Account& account, ChangePublisher& publisher, Scheduler& scheduler, const Settings& settings,
        sync::Outbox* outbox)
      : entries(aliases), nodes(account, entries, aliases),
        staging(outbox && !settings.read_only ? std::make_unique<Staging>(Staging::Dependencies{
                                                    account, publisher, settings, entries, aliases, *outbox, scheduler})
                                              : nullptr),
        dependencies{account, settings, publisher.kernel().seen_directories(), entries, nodes, staging.get()},
        views(dependencies, publisher.events(), publisher.kernel()), announced(account, settings, views),
        names(dependencies, aliases), pending_moves(dependencies, publisher.kernel()),
        opening(dependencies, views, publisher.kernel()), copying(dependencies),
        attributes(views, staging.get(), opening), xattrs(dependencies, views), making_directories(dependencies, names),
        removing(dependencies, names, views.messages()),
        renaming(dependencies, names, pending_moves, views.messages()) {}

  [[nodiscard]] Result<void> check_writable(const char* operation) const {
    return vfs::check_writable(staging.get(), operation);
  }

  NodeAliases aliases;
  LocalEntries entries;
  NodeResolver nodes;
  std::unique_ptr<Staging> staging;  ///< null where nothing can be written
  const ViewDependencies dependencies;
  NodeViews views;
  AnnouncedChanges announced;
  NameLookup names;
  PendingMoves pending_moves;
  LinkedNames linked;
  OpenOperation opening;
  CopyOperation copying;
  AttributeOperation attributes;
  XattrOperation xattrs;
  MakeDirectoryOperation making_directories;
  RemoveOperation removing;
  RenameOperation renaming;
};

Filesystem::Filesystem(sync::Account& account, ChangePublisher& publisher, Scheduler& scheduler, Settings settings,
                       std::unique_ptr<sync::Outbox> outbox)
    : account_(account), publisher_(publisher), outbox_(std::move(outbox)), settings_(std::move(settings)),
      parts_(std::make_unique<Parts>(account_, publisher_, scheduler, settings_, outbox_.get())) {
  publisher_.kernel().connect_nodes(&parts_->entries, &parts_->nodes);
  if (parts_->staging) parts_->staging->outbox().recover();
}

Filesystem::~Filesystem() { publisher_.kernel().connect_nodes(nullptr, nullptr); }

// -- names and attributes --

void Filesystem::lookup(const Caller& caller, NodeId parent, const std::string& name, Reply<Entry> reply) {
  auto directory = parts_->views.find(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  if (name == ".") return directory->view->entry(directory->node, std::move(reply));
  if (name == "..") return parts_->views.entry(directory->view->parent(directory->node), std::move(reply));
  if (auto valid = check_name(name); !valid) return reply(fail(std::move(valid).error()));
  if (const auto announcement = parts_->announced.find(caller, parent, name)) {
    if (announcement->kind == Announcement::Kind::removed) {
      return parts_->announced.entry(*announcement, std::move(reply));
    }
    return reply(fail(ENOENT, "not there until the announcer makes it"));
  }
  directory->view->lookup(caller, directory->node, name, std::move(reply));
}

void Filesystem::getattr(const Caller& caller, NodeId node, Reply<AttributesReply> reply) {
  const auto announcement = parts_->announced.find(caller, node);
  if (!announcement) return parts_->attributes.get(node, std::move(reply));
  parts_->announced.entry(*announcement, on_success(reply, [reply](const Entry& entry) {
    reply(AttributesReply{entry.attributes, entry.attribute_timeout});
  }));
}

void Filesystem::setattr(const Caller& caller, NodeId node, const AttributeChanges& changes,
                         Reply<AttributesReply> reply) {
  parts_->attributes.set(caller, node, changes, std::move(reply));
}

void Filesystem::forget(NodeId node) {
  if (auto file = parts_->views.find(node)) file->view->forget(file->node);
  parts_->aliases.forget(node);
}

void Filesystem::getxattr(const Caller&, NodeId node, const std::string& name, Reply<std::string> reply) {
  parts_->xattrs.get(node, name, std::move(reply));
}

void Filesystem::listxattr(const Caller&, NodeId node, Reply<std::string> reply) {
  parts_->xattrs.list(node, std::move(reply));
}

void Filesystem::setxattr(const Caller& caller, NodeId node, const std::string& name, const std::string& value,
                          Reply<void> reply) {
  parts_->xattrs.set(caller, node, name, value, std::move(reply));
}

void Filesystem::removexattr(const Caller&, NodeId node, const std::string& name, Reply<void> reply) {
  parts_->xattrs.remove(node, name, std::move(reply));
}

// -- files --

void Filesystem::open(const Caller& caller, NodeId node, int flags, Reply<OpenResult> reply) {
  parts_->opening.open(caller, node, flags, std::move(reply));
}

void Filesystem::create(const Caller& caller, NodeId parent, const std::string& name, mode_t,
                        Reply<CreateResult> reply) {
  parts_->opening.create(caller, parent, name, std::move(reply));
}

void Filesystem::read(const Caller& caller, const ReadRequest& request, Reply<ReadResult> reply) {
  auto file = parts_->views.find(request.node);
  if (!file) return reply(fail(std::move(file).error()));
  auto* const staging = parts_->staging.get();
  const bool own = Staging::owns(request.handle);
  if (!staging || !is_mail(request.node) || (!own && !staging->status(request.node))) {
    return file->view->read(caller, file->node, request, std::move(reply));
  }
  staging->read(request, [this, caller, request, own, reply = std::move(reply)](Result<ReadResult> result) {
    // Uploaded and closed by its writer a moment ago: a reader of the message reads the message.
    if (own || result || result.error().errnum != ESTALE) return reply(std::move(result));
    auto message = parts_->views.find(request.node);
    if (!message) return reply(std::move(result));
    message->view->read(caller, message->node, request, reply);
  });
}

void Filesystem::write(const Caller&, const WriteRequest& request, Reply<std::size_t> reply) {
  if (auto writable = parts_->check_writable("write"); !writable) return reply(fail(std::move(writable).error()));
  if (!is_mail(request.node)) return reply(fail(not_writable()));
  parts_->staging->write(request, std::move(reply));
}

void Filesystem::copy_file_range(const Caller&, const CopyRangeRequest& request, Reply<std::size_t> reply) {
  if (auto writable = parts_->check_writable("copy"); !writable) return reply(fail(std::move(writable).error()));
  parts_->copying.copy(request, std::move(reply));
}

void Filesystem::fallocate(const Caller&, NodeId node, HandleId handle, int mode, std::uint64_t offset,
                           std::uint64_t length, Reply<void> reply) {
  if (auto writable = parts_->check_writable("allocate"); !writable) return reply(std::move(writable));
  if (!is_mail(node) || !Staging::owns(handle)) return reply(fail(not_writable()));
  // Room that does not show in the size: restic says so how long the file will be.
  if (mode == FALLOC_FL_KEEP_SIZE) return parts_->staging->reserve(node, offset + length, std::move(reply));
  if (mode != 0) return reply(fail(EOPNOTSUPP, "only room for bytes can be allocated"));
  parts_->staging->allocate(node, offset, length, std::move(reply));
}

void Filesystem::flush(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  if (!parts_->staging || !is_mail(node) || !Staging::owns(handle)) return reply({});
  parts_->staging->flush(caller, node, handle, std::move(reply));
}

void Filesystem::fsync(const Caller& caller, NodeId node, HandleId handle, Reply<void> reply) {
  if (!parts_->staging || !is_mail(node)) return reply({});
  parts_->staging->fsync(caller, node, handle, on_success(reply, [this, node, reply] {
                           const auto meaning = parts_->nodes.resolve(node);
                           // One that is still staged has a temporary name or is empty: it is as safe as it can be.
                           const bool staged = !meaning || meaning->kind == NodeMeaning::Kind::staged;
                           if (staged || meaning->mailbox.value == 0) return reply({});
                           account_.changes().drain(meaning->mailbox, reply);
                         }));
}

void Filesystem::fsyncdir(const Caller&, NodeId node, Reply<void> reply) {
  const auto meaning = parts_->nodes.resolve(node);
  const bool in_tree = meaning && (meaning->is_in_tree() || meaning->kind == NodeMeaning::Kind::deleted ||
                                   meaning->kind == NodeMeaning::Kind::by_uid);
  if (!parts_->staging || !in_tree) return reply({});
  parts_->staging->outbox().drain(on_success(reply, [this, mailbox = meaning->mailbox, reply] {
    account_.changes().drain(
        mailbox, on_success(reply, [this, mailbox, reply] { reply(parts_->staging->outbox().check(mailbox)); }));
  }));
}

void Filesystem::release(NodeId node, HandleId handle) {
  if (parts_->staging && is_mail(node) && Staging::owns(handle)) return parts_->staging->release(node, handle);
  if (auto file = parts_->views.find(node)) file->view->release(file->node, handle);
}

void Filesystem::poll(const Caller&, NodeId node, HandleId handle, std::function<void()> wake, Reply<unsigned> reply) {
  auto file = parts_->views.find(node);
  if (!file) return reply(fail(std::move(file).error()));
  const bool ready = file->view->poll(file->node, handle, std::move(wake));
  reply(ready ? unsigned{POLLIN | POLLRDNORM} : 0U);
}

bool Filesystem::waits_for_events(NodeId node) const { return node == fixed_node(FixedNode::events); }

bool Filesystem::cancel(RequestId request) { return publisher_.events().cancel(request); }

// -- directories --

void Filesystem::opendir(const Caller& caller, NodeId node, Reply<OpenDirectoryResult> reply) {
  auto directory = parts_->views.find(node);
  if (!directory) return reply(fail(std::move(directory).error()));
  directory->view->open_directory(caller, directory->node, std::move(reply));
}

void Filesystem::readdir(const Caller& caller, const ListRequest& request, Reply<DirectoryPage> reply) {
  auto directory = parts_->views.find(request.node);
  if (!directory) return reply(fail(std::move(directory).error()));
  ListRequest bounded = request;
  bounded.limit = std::clamp<std::size_t>(request.limit, 1, max_page_entries);
  directory->view->list(caller, directory->node, bounded, std::move(reply));
}

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

// -- changes of names --

void Filesystem::mknod(const Caller& caller, NodeId parent, const std::string& name, mode_t mode, Reply<Entry> reply) {
  if (const auto made = parts_->announced.find_change(caller, parent, name, Announcement::Kind::created, false)) {
    return parts_->announced.entry(*made, std::move(reply));
  }
  if (auto writable = parts_->check_writable("create a file"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  if ((mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != 0) return refuse_link("no devices, pipes and sockets", reply);
  create(caller, parent, name, mode, on_success(reply, [this, reply](const CreateResult& created) {
           release(created.entry.node, created.open.handle);
           reply(created.entry);
         }));
}

void Filesystem::mkdir(const Caller& caller, NodeId parent, const std::string& name, mode_t, Reply<Entry> reply) {
  if (const auto made = parts_->announced.find_change(caller, parent, name, Announcement::Kind::created, true)) {
    return parts_->announced.entry(*made, std::move(reply));
  }
  if (auto writable = parts_->check_writable("create a mailbox"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  auto directory = parts_->views.find(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  parts_->making_directories.make(directory->node, name, std::move(reply));
}

void Filesystem::unlink(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply) {
  if (parts_->announced.find_change(caller, parent, name, Announcement::Kind::removed, false)) return reply({});
  if (auto writable = parts_->check_writable("remove a message"); !writable) return reply(std::move(writable));
  auto directory = parts_->views.find(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  const bool linked = parts_->linked.take(parent, name);
  if (linked && !parts_->entries.find(directory->node.meaning.mailbox, name)) return reply({});
  parts_->removing.unlink(caller, directory->node, name, std::move(reply));
}

void Filesystem::rmdir(const Caller& caller, NodeId parent, const std::string& name, Reply<void> reply) {
  if (parts_->announced.find_change(caller, parent, name, Announcement::Kind::removed, true)) return reply({});
  if (auto writable = parts_->check_writable("remove a mailbox"); !writable) return reply(std::move(writable));
  auto directory = parts_->views.find(parent);
  if (!directory) return reply(fail(std::move(directory).error()));
  parts_->removing.rmdir(directory->node, name, std::move(reply));
}

void Filesystem::rename(const Caller& caller, const RenameRequest& request, Reply<void> reply) {
  if (auto writable = parts_->check_writable("rename"); !writable) return reply(std::move(writable));
  auto from = parts_->views.find(request.parent);
  if (!from) return reply(fail(std::move(from).error()));
  auto to = parts_->views.find(request.new_parent);
  if (!to) return reply(fail(std::move(to).error()));
  if (auto valid = check_name(request.new_name); !valid) return reply(std::move(valid));
  parts_->renaming.rename(caller, {from->node, to->node}, request, std::move(reply));
}

// Mail programs deliver so: link(2) from a temporary name to the final one, which must be free, and unlink(2) of the
// first. A message has one name, so the file moves with the link, and the unlink finds its work done.
void Filesystem::link(const Caller& caller, NodeId node, NodeId new_parent, const std::string& new_name,
                      Reply<Entry> reply) {
  if (auto writable = parts_->check_writable("link"); !writable) return reply(fail(std::move(writable).error()));
  const auto file = parts_->entries.find(node);
  if (!file || file->kind != LocalEntry::Kind::staged || !is_temporary_name(file->name)) {
    return refuse_link("no links", reply);
  }
  const auto parent = mailbox_node(file->mailbox);
  rename(caller, {parent, file->name, new_parent, new_name, RENAME_NOREPLACE},
         on_success(reply, [this, caller, parent, name = file->name, new_parent, new_name, reply] {
           parts_->linked.add(parent, name);
           lookup(caller, new_parent, new_name, reply);
         }));
}

void Filesystem::symlink(const Caller&, NodeId, const std::string&, const std::string&, Reply<Entry> reply) {
  if (auto writable = parts_->check_writable("create a symbolic link"); !writable) {
    return reply(fail(std::move(writable).error()));
  }
  refuse_link("no links", reply);
}

// -- the rest --

Announcements::Id Filesystem::begin_announcement(Announcement announcement) {
  return parts_->announced.begin(std::move(announcement));
}

void Filesystem::end_announcement(Announcements::Id id) { parts_->announced.end(id); }

std::string Filesystem::path_of(NodeId node) const { return parts_->nodes.path(node); }

void Filesystem::shut_down() { publisher_.events().shut_down(); }

}  // namespace imapfs::vfs
