#include "vfs/views/control.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "imapfs/model/identity.hpp"
#include "vfs/nodes/entries.hpp"
#include "vfs/nodes/timestamps.hpp"
#include "vfs/staging/staging.hpp"

namespace imapfs::vfs {

namespace {

struct ControlFile {
  FixedNode node;
  const char* name;
};
constexpr ControlFile control_files[] = {
    {FixedNode::status, "status"},
    {FixedNode::events, "events"},
    {FixedNode::requests, "requests"},
    {FixedNode::configuration, "config"},
};

constexpr const char* outbox_name = "outbox";

}  // namespace

// Handles start at a point that differs between processes, so that a handle of an earlier one is not taken for one of
// ours.
ControlView::ControlView(const ViewDependencies& dependencies, EventLog& events, const OutboxView& outbox)
    : dependencies_(dependencies), events_(events), outbox_(outbox), mounted_(whole_second_now()),
      next_handle_((static_cast<HandleId>(mounted_.seconds) << 24) + 1) {}

Entry ControlView::entry_of(FixedNode node) const {
  Entry entry;
  entry.node = fixed_node(node);
  entry.entry_timeout = dependencies_.settings.timeout;
  entry.attribute_timeout = dependencies_.settings.timeout;
  const auto path = node_path(dependencies_.account.mailboxes(), entry.node);
  auto& attributes = entry.attributes;
  attributes = directory_attributes(dependencies_.settings,
                                    InodeId{stable_hash(path, stable_hash(dependencies_.account.name()))}, 0, mounted_);
  if (node == FixedNode::control_directory) {
    attributes.mode = S_IFDIR | shown_permissions(dependencies_.settings, 0500);
  } else {
    attributes.mode = S_IFREG | shown_permissions(dependencies_.settings, 0400);
    attributes.links = 1;
  }
  return entry;
}

void ControlView::lookup(const Caller&, const Node& parent, const std::string& name, Reply<Entry> reply) {
  if (parent.meaning.fixed != FixedNode::control_directory) return reply(fail(ENOTDIR, "not a directory"));
  for (const auto& file : control_files) {
    if (name == file.name) return reply(entry_of(file.node));
  }
  if (name == outbox_name && dependencies_.staging) return reply(outbox_.directory_entry());
  reply(fail(ENOENT, "no such control file"));
}

void ControlView::entry(const Node& node, Reply<Entry> reply) { reply(entry_of(node.meaning.fixed)); }

NodeId ControlView::parent(const Node& node) const {
  return node.meaning.fixed == FixedNode::control_directory ? root_node : fixed_node(FixedNode::control_directory);
}

/// A snapshot with what is known of staged files, which another thread knows.
void ControlView::with_snapshot(FixedNode node, std::function<void(std::string)> then) const {
  if (node != FixedNode::status || !dependencies_.staging) return then(snapshot(node));
  dependencies_.staging->outbox().describe([this, node, then = std::move(then)](const Result<nlohmann::json>& staged) {
    then(snapshot(node, staged ? *staged : nlohmann::json()));
  });
}

std::string ControlView::snapshot(FixedNode node) const { return snapshot(node, nlohmann::json()); }

std::string ControlView::snapshot(FixedNode node, const nlohmann::json& staged) const {
  nlohmann::json content = nlohmann::json::object();
  if (node == FixedNode::status) {
    content = dependencies_.account.status();
    if (!staged.is_null()) content["staged"] = staged;
  }
  if (node == FixedNode::requests && dependencies_.settings.requests) content = dependencies_.settings.requests();
  if (node == FixedNode::configuration && dependencies_.settings.configuration)
    content = dependencies_.settings.configuration();
  return content.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void ControlView::open(const Caller&, const Node& node, int, Reply<OpenResult> reply) {
  if (node.meaning.fixed == FixedNode::control_directory) return reply(fail(EISDIR, "a directory"));
  OpenResult result;
  result.handle = next_handle_++;
  result.direct_io = true;
  result.no_flush = true;
  if (node.meaning.fixed == FixedNode::events) {
    result.nonseekable = true;
    events_.open(result.handle);
    return reply(std::move(result));
  }
  with_snapshot(node.meaning.fixed, [this, result, reply = std::move(reply)](std::string text) {
    auto content = std::make_shared<const std::string>(std::move(text));
    snapshots_.with_lock([&](auto& snapshots) { snapshots.emplace(result.handle, std::move(content)); });
    reply(result);
  });
}

void ControlView::read(const Caller& caller, const Node& node, const ReadRequest& request, Reply<ReadResult> reply) {
  if (node.meaning.fixed == FixedNode::control_directory) return reply(fail(EISDIR, "a directory"));
  if (node.meaning.fixed == FixedNode::events) {
    const bool wait = (request.flags & O_NONBLOCK) == 0;
    return events_.read({request.handle, request.size, wait, caller.request},
                        [reply = std::move(reply)](Result<std::string> lines) {
                          if (!lines) return reply(fail(std::move(lines).error()));
                          reply(ReadResult(std::move(*lines)));
                        });
  }
  auto content = snapshots_.with_lock([&](const auto& snapshots) {
    const auto found = snapshots.find(request.handle);
    return found == snapshots.end() ? nullptr : found->second;
  });
  // A handle of an earlier process: the state of now is the best there is.
  if (!content) content = std::make_shared<const std::string>(snapshot(node.meaning.fixed));
  if (request.offset >= content->size()) return reply(ReadResult(std::string()));
  reply(ReadResult(content->substr(static_cast<std::size_t>(request.offset), request.size)));
}

void ControlView::release(const Node& node, HandleId handle) {
  if (node.meaning.fixed == FixedNode::events) return events_.close(handle);
  snapshots_.with_lock([&](auto& snapshots) { snapshots.erase(handle); });
}

bool ControlView::poll(const Node& node, HandleId handle, std::function<void()> wake) {
  return node.meaning.fixed != FixedNode::events || events_.poll(handle, std::move(wake));
}

void ControlView::open_directory(const Caller&, const Node& node, Reply<OpenDirectoryResult> reply) {
  if (node.meaning.fixed != FixedNode::control_directory) return reply(fail(ENOTDIR, "not a directory"));
  reply(OpenDirectoryResult{0, true, true});
}

void ControlView::list(const Caller&, const Node& node, const ListRequest& request, Reply<DirectoryPage> reply) {
  if (node.meaning.fixed != FixedNode::control_directory) return reply(fail(ENOTDIR, "not a directory"));
  DirectoryPage page;
  append_dots(
      page, request.cookie, request.limit, entry_of(FixedNode::control_directory),
      mailbox_entry(dependencies_.account, dependencies_.settings, dependencies_.account.mailboxes().tree()->root()));
  for (const auto& file : control_files) {
    const std::uint64_t cookie = 16 + static_cast<std::uint64_t>(file.node);
    if (cookie <= request.cookie || page.size() >= request.limit) continue;
    page.push_back({file.name, cookie, request.plus, entry_of(file.node)});
  }
  const std::uint64_t last = 16 + static_cast<std::uint64_t>(FixedNode::outbox);
  if (dependencies_.staging && last > request.cookie && page.size() < request.limit) {
    page.push_back({outbox_name, last, request.plus, outbox_.directory_entry()});
  }
  reply(std::move(page));
}

}  // namespace imapfs::vfs
