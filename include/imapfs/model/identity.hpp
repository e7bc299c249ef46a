#pragma once
// Stable numbers for st_ino and for the kernel's ids. They are computed from names that the server guarantees, so they
// are the same after a remount and without a cache.

#include <cstdint>
#include <string_view>

#include "imapfs/model/types.hpp"

namespace imapfs {

/// A 64-bit hash that never changes between versions (FNV-1a, then a finaliser).
[[nodiscard]] std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0);

/// The first candidate for a mailbox's id: 28 bits, never 0. When two paths collide, the owner of the tree tries id+1
/// (mod 2^28, never 0), in path order.
[[nodiscard]] MailboxId mailbox_id_candidate(std::string_view account, std::string_view path);

// Inode numbers: messages are in [2^61, 2^62), directories in [2^62, 2^63); numbers below 2^61 are free for other
// files. Within one mailbox no two UIDs share a number.

/// st_ino of a directory of the mailbox tree.
[[nodiscard]] InodeId mailbox_inode(std::string_view account, std::string_view path);

/// st_ino of messages: computed once per (account, path, UIDVALIDITY), then mixed with each UID.
[[nodiscard]] std::uint64_t message_inode_seed(std::string_view account, std::string_view path, UidValidity validity);
[[nodiscard]] InodeId message_inode(std::uint64_t seed, Uid uid);

}  // namespace imapfs
