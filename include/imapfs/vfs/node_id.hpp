#pragma once
// The numbers of nodes and the cookies of directory entries, and what they name.
//
// 64 bits: [kind:4][mailbox id:28][UID or index:32]. An id is computed from names the server guarantees, so no table of
// nodes exists, FORGET has nothing to free, and an id names the same in the next process. What a node stands for by now
// may be something else: vfs/nodes/node_meaning.hpp. Pure functions, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_reader.hpp"
#include "imapfs/vfs/types.hpp"

namespace imapfs::vfs {

/// The values are part of the id and never change. 3 to 5 are reserved for later views.
enum class NodeKind : std::uint8_t {
  fixed = 0,
  mailbox = 1,
  message = 2,
  search = 3,
  text = 4,
  parts = 5,
  deleted = 6,         ///< the directory .deleted of a mailbox; its files are messages
  staged = 7,          ///< a file on its way to the server: mailbox 0, index StagedId
  by_uid = 8,          ///< the directory .uid of a mailbox; its files are messages
  local_directory = 9  ///< a directory that is here only: mailbox 0, index StagedId
};

/// Index of a fixed node.
enum class FixedNode : std::uint32_t {
  root = 1,  ///< FUSE_ROOT_ID
  control_directory = 2,
  status = 3,
  events = 4,
  requests = 5,
  configuration = 6,
  outbox = 7,
};

struct DecodedNode {
  NodeKind kind = NodeKind::fixed;
  MailboxId mailbox;
  std::uint32_t index = 0;  ///< UID of a message, FixedNode of a fixed node

  [[nodiscard]] Uid uid() const { return Uid{index}; }
  bool operator==(const DecodedNode&) const = default;
};

inline constexpr NodeId root_node{1};
/// Hidden: reached by name, never listed.
inline constexpr std::string_view control_directory_name = ".imapfs";
inline constexpr std::string_view deleted_directory_name = ".deleted";
inline constexpr std::string_view uid_directory_name = ".uid";

[[nodiscard]] constexpr NodeId encode_node(NodeKind kind, MailboxId mailbox, std::uint32_t index) {
  return NodeId{(std::uint64_t{static_cast<std::uint8_t>(kind)} << 60) |
                (std::uint64_t{mailbox.value & 0x0fffffffU} << 32) | index};
}
/// Nothing for an id no version has ever given out.
[[nodiscard]] std::optional<DecodedNode> decode_node(NodeId node);

/// Local directories have ids beside those of mailboxes: what is kept by the id of a directory (LocalEntries) is kept
/// of them too. In a DecodedNode of kind local_directory this id is `mailbox`.
inline constexpr std::uint32_t local_directory_ids = std::uint32_t{1} << 28;
[[nodiscard]] constexpr MailboxId local_directory(std::uint32_t index) {
  return MailboxId{local_directory_ids | index};
}
[[nodiscard]] constexpr bool is_local_directory(MailboxId directory) {
  return (directory.value & local_directory_ids) != 0;
}

[[nodiscard]] constexpr NodeId fixed_node(FixedNode index) {
  return encode_node(NodeKind::fixed, MailboxId{0}, static_cast<std::uint32_t>(index));
}
/// The root for mailbox 0; local directories too.
[[nodiscard]] constexpr NodeId mailbox_node(MailboxId mailbox) {
  if (is_local_directory(mailbox)) {
    return encode_node(NodeKind::local_directory, MailboxId{0}, mailbox.value & ~local_directory_ids);
  }
  return mailbox.value == 0 ? root_node : encode_node(NodeKind::mailbox, mailbox, 0);
}
[[nodiscard]] constexpr NodeId deleted_node(MailboxId mailbox) { return encode_node(NodeKind::deleted, mailbox, 0); }
[[nodiscard]] constexpr NodeId by_uid_node(MailboxId mailbox) { return encode_node(NodeKind::by_uid, mailbox, 0); }
[[nodiscard]] constexpr NodeId staged_node(std::uint32_t id) { return encode_node(NodeKind::staged, MailboxId{0}, id); }
[[nodiscard]] constexpr NodeId message_node(MailboxId mailbox, Uid uid) {
  return encode_node(NodeKind::message, mailbox, uid.value);
}

/// Of a message under its own node. libfuse: "the generation must be non-zero".
[[nodiscard]] constexpr std::uint64_t generation_of(UidValidity validity) {
  return validity.value == 0 ? 1 : validity.value;
}

/// Directory cookies are properties of the entry, so that removing while reading neither misses nor repeats an entry.
inline constexpr std::uint64_t cookie_dot = 1;
inline constexpr std::uint64_t cookie_dot_dot = 2;
[[nodiscard]] constexpr std::uint64_t mailbox_cookie(MailboxId mailbox) { return 16 + std::uint64_t{mailbox.value}; }
[[nodiscard]] constexpr std::uint64_t message_cookie(Uid uid) { return (std::uint64_t{1} << 32) | uid.value; }
/// Where a listing of messages goes on after `cookie`: beyond this UID; 0: from the first message.
[[nodiscard]] constexpr Uid last_listed_message(std::uint64_t cookie) {
  return Uid{cookie > message_cookie(Uid{0}) ? static_cast<std::uint32_t>(cookie) : 0};
}
/// Of the n-th local entry (local_entries.hpp): beyond every message's.
[[nodiscard]] constexpr std::uint64_t local_cookie(std::uint64_t n) { return (std::uint64_t{1} << 33) + n; }

/// "INBOX/name.eml", ".imapfs/status", "/" for the root: for logs. A message that is not in the table is "INBOX/#4711".
[[nodiscard]] std::string node_path(const sync::MailboxReader& mailboxes, NodeId node);

}  // namespace imapfs::vfs
