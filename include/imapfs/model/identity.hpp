#pragma once
// Stable numbers: what a file is called inside the kernel and in st_ino, computed from names the server guarantees, so
// that they are the same after a remount and without a cache.

#include <cstdint>
#include <string_view>

#include "imapfs/model/types.hpp"

namespace imapfs {

/// A 64-bit hash that never changes between versions (FNV-1a, then a finaliser).
[[nodiscard]] std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0);

/// The first candidate for a mailbox's id: 28 bits, never 0. The owner of the tree probes id+1 (mod 2^28, never 0) in
/// path order when two paths collide.
[[nodiscard]] MailboxId mailbox_id_candidate(std::string_view account, std::string_view path);

// Inode numbers: messages lie in [2^61, 2^62), directories in [2^62, 2^63); everything below 2^61 is free for other
// files. Within one mailbox no two UIDs share a number.

/// st_ino of a directory of the mailbox tree.
[[nodiscard]] InodeId mailbox_inode(std::string_view account, std::string_view path);

/// st_ino of messages: computed once per (account, path, UIDVALIDITY), then mixed with each UID.
[[nodiscard]] std::uint64_t message_inode_seed(std::string_view account, std::string_view path, UidValidity validity);
[[nodiscard]] InodeId message_inode(std::uint64_t seed, Uid uid);

}  // namespace imapfs
