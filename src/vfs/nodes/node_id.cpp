#include "imapfs/vfs/node_id.hpp"

#include <fmt/format.h>

namespace imapfs::vfs {

std::optional<DecodedNode> decode_node(NodeId node) {
  const auto kind = static_cast<std::uint8_t>(node.value >> 60);
  DecodedNode decoded{NodeKind{kind}, MailboxId{static_cast<std::uint32_t>(node.value >> 32) & 0x0fffffffU},
                      static_cast<std::uint32_t>(node.value)};
  switch (decoded.kind) {
    case NodeKind::fixed:
      if (decoded.mailbox.value != 0 || decoded.index < static_cast<std::uint32_t>(FixedNode::root) ||
          decoded.index > static_cast<std::uint32_t>(FixedNode::outbox)) {
        return std::nullopt;
      }
      return decoded;
    case NodeKind::mailbox:
      if (decoded.mailbox.value == 0 || decoded.index != 0) return std::nullopt;
      return decoded;
    case NodeKind::message:
      if (decoded.mailbox.value == 0 || decoded.index == 0) return std::nullopt;
      return decoded;
    case NodeKind::search:
    case NodeKind::text:
    case NodeKind::parts: break;
    case NodeKind::deleted:
    case NodeKind::by_uid:
      if (decoded.mailbox.value == 0 || decoded.index != 0) return std::nullopt;
      return decoded;
    case NodeKind::local_directory:
      if (decoded.mailbox.value != 0 || decoded.index == 0 || decoded.index >= local_directory_ids) return std::nullopt;
      decoded.mailbox = local_directory(decoded.index);
      return decoded;
    case NodeKind::staged:
      if (decoded.mailbox.value != 0 || decoded.index == 0) return std::nullopt;
      return decoded;
  }
  return std::nullopt;
}

namespace {

std::string fixed_path(std::uint32_t index) {
  switch (FixedNode{index}) {
    case FixedNode::root: return "/";
    case FixedNode::control_directory: return ".imapfs";
    case FixedNode::status: return ".imapfs/status";
    case FixedNode::events: return ".imapfs/events";
    case FixedNode::requests: return ".imapfs/requests";
    case FixedNode::configuration: return ".imapfs/config";
    case FixedNode::outbox: return ".imapfs/outbox";
  }
  return fmt::format("node {}", index);
}

}  // namespace

std::string node_path(const sync::MailboxReader& mailboxes, NodeId node) {
  const auto decoded = decode_node(node);
  if (!decoded) return fmt::format("node {:#x}", node.value);
  if (decoded->kind == NodeKind::fixed) return fixed_path(decoded->index);
  if (decoded->kind == NodeKind::staged) return fmt::format("staged file {}", decoded->index);
  if (decoded->kind == NodeKind::local_directory) return fmt::format("local directory {}", decoded->index);
  const auto tree = mailboxes.tree();
  const auto* mailbox = tree->find(decoded->mailbox);
  const std::string directory = mailbox ? mailbox->path : fmt::format("mailbox {:#x}", decoded->mailbox.value);
  if (decoded->kind == NodeKind::mailbox) return directory;
  if (decoded->kind == NodeKind::deleted) return fmt::format("{}/{}", directory, deleted_directory_name);
  if (decoded->kind == NodeKind::by_uid) return fmt::format("{}/{}", directory, uid_directory_name);
  const auto table = mailboxes.table(decoded->mailbox);
  const auto message = table ? table->find(decoded->uid()) : std::nullopt;
  if (message) return fmt::format("{}/{}", directory, message->file_name);
  return fmt::format("{}/#{}", directory, decoded->index);
}

}  // namespace imapfs::vfs
