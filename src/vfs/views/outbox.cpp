#include "vfs/views/outbox.hpp"

#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "imapfs/model/identity.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/nodes/timestamps.hpp"

namespace imapfs::vfs {

namespace {

/// By staged id, which ascends: removing while listing misses nothing.
std::uint64_t cookie_of(NodeId node) { return 16 + (node.value & 0xffffffffU); }

}  // namespace

OutboxView::OutboxView(const ViewDependencies& dependencies, StagedView& staged)
    : dependencies_(dependencies), staged_(staged), mounted_(whole_second_now()) {}

std::vector<OutboxEntry> OutboxView::files() const {
  return dependencies_.staging ? dependencies_.staging->outbox().files() : std::vector<OutboxEntry>();
}

Entry OutboxView::directory_entry() const {
  Entry entry;
  entry.node = fixed_node(FixedNode::outbox);
  entry.entry_timeout = dependencies_.settings.timeout;
  const auto path = node_path(dependencies_.account.mailboxes(), entry.node);
  entry.attributes = directory_attributes(
      dependencies_.settings, InodeId{stable_hash(path, stable_hash(dependencies_.account.name()))}, 0, mounted_);
  return entry;
}

void OutboxView::lookup(const Caller&, const Node&, const std::string& name, Reply<Entry> reply) {
  for (const auto& file : files()) {
    if (file.name != name) continue;
    return staged_.entry(Node{file.node, *dependencies_.nodes.resolve(file.node)}, std::move(reply));
  }
  reply(fail(ENOENT, "no such file in the outbox"));
}

void OutboxView::entry(const Node&, Reply<Entry> reply) { reply(directory_entry()); }

void OutboxView::open_directory(const Caller&, const Node&, Reply<OpenDirectoryResult> reply) {
  reply(OpenDirectoryResult{});
}

void OutboxView::list(const Caller&, const Node&, const ListRequest& request, Reply<DirectoryPage> reply) {
  DirectoryPage page;
  Entry parent = directory_entry();
  parent.node = fixed_node(FixedNode::control_directory);
  append_dots(page, request.cookie, request.limit, directory_entry(), parent);
  for (const auto& file : files()) {
    const auto cookie = cookie_of(file.node);
    if (cookie <= request.cookie || page.size() >= request.limit) continue;
    page.push_back({file.name, cookie, request.plus,
                    staged_entry(dependencies_.settings, file.node, file.status.size, file.status.time)});
  }
  reply(std::move(page));
}

}  // namespace imapfs::vfs
