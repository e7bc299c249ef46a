#include "vfs/views/staged.hpp"

#include <utility>

#include "vfs/nodes/entries.hpp"

namespace imapfs::vfs {

namespace {

Error not_staged() { return Error{ESTALE, Scope::message, Retry::now, "the file is not staged any more"}; }

}  // namespace

void StagedView::entry(const Node& node, Reply<Entry> reply) {
  const auto status = dependencies_.staging ? dependencies_.staging->status(node.id) : std::nullopt;
  if (!status) return reply(fail(not_staged()));
  auto entry = staged_entry(dependencies_.settings, node.id, status->size, status->time);
  if (node.meaning.entry) entry.generation = node.meaning.entry->generation;
  reply(std::move(entry));
}

NodeId StagedView::parent(const Node& node) const {
  return node.meaning.entry ? mailbox_node(node.meaning.mailbox) : fixed_node(FixedNode::outbox);
}

void StagedView::open(const Caller& caller, const Node& node, int flags, Reply<OpenResult> reply) {
  if (!dependencies_.staging) return reply(fail(not_staged()));
  dependencies_.staging->open_staged(caller, node.id, flags, std::move(reply));
}

void StagedView::read(const Caller&, const Node&, const ReadRequest& request, Reply<ReadResult> reply) {
  if (!dependencies_.staging) return reply(fail(not_staged()));
  dependencies_.staging->read(request, std::move(reply));
}

void StagedView::release(const Node& node, HandleId handle) {
  if (dependencies_.staging) dependencies_.staging->release(node.id, handle);
}

}  // namespace imapfs::vfs
