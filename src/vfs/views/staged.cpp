#include "vfs/views/staged.hpp"

#include <utility>

#include "vfs/nodes/entries.hpp"

namespace imapfs::vfs {

namespace {

Error not_staged() { return Error{ESTALE, Scope::message, Retry::now, "the file is not staged any more"}; }

}  // namespace

void StagedView::entry(const Node& node, Reply<Entry> reply) {
  const auto status = context_.staging ? context_.staging->status(node.id) : std::nullopt;
  if (!status) return reply(fail(not_staged()));
  auto entry = staged_entry(context_.settings, node.id, status->size, status->time);
  if (const auto local = context_.entries.find(node.id)) entry.generation = local->generation;
  reply(std::move(entry));
}

NodeId StagedView::parent(const Node& node) const {
  const auto local = context_.entries.find(node.id);
  return local ? mailbox_node(local->mailbox) : fixed_node(FixedNode::outbox);
}

void StagedView::open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) {
  if (!context_.staging) return reply(fail(not_staged()));
  context_.staging->open_staged(caller, node.id, flags, std::move(reply));
}

void StagedView::read(const Caller&, const Node&, const ReadRequest& request, Reply<ReadResult> reply) {
  if (!context_.staging) return reply(fail(not_staged()));
  context_.staging->read(request, std::move(reply));
}

void StagedView::release(const Node& node, HandleId handle) {
  if (context_.staging) context_.staging->release(node.id, handle);
}

}  // namespace imapfs::vfs
