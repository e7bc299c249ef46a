#pragma once
// Nodes and places of messages in two mailboxes that no account has.

#include "imapfs/vfs/node_id.hpp"

namespace imapfs::vfs::two_mailboxes {

constexpr MailboxId inbox{1};
constexpr MailboxId archive{2};

/// Of a message in the inbox.
inline NodeId node(std::uint32_t uid) { return message_node(inbox, Uid{uid}); }
inline MessageLocation location(MailboxId mailbox, std::uint32_t uid) { return {mailbox, UidValidity{77}, Uid{uid}}; }

}  // namespace imapfs::vfs::two_mailboxes
