#include "imapfs/model/identity.hpp"

// Users have the results of every constant on disk (backup tools compare inode numbers): none may ever change.

namespace imapfs {
namespace {

constexpr std::uint64_t mailbox_id_seed = 1;
constexpr std::uint64_t mailbox_inode_seed = 2;
constexpr std::uint64_t message_seed = 3;

constexpr std::uint32_t mailbox_id_mask = (1u << 28) - 1;

// Bit 61 marks messages, bit 62 directories; bit 63 is left clear because some tools keep inode numbers as signed.
constexpr int hash_bits = 61;
constexpr std::uint64_t hash_mask = (std::uint64_t{1} << hash_bits) - 1;
constexpr std::uint64_t message_bit = std::uint64_t{1} << 61;
constexpr std::uint64_t directory_bit = std::uint64_t{1} << 62;

/// MurmurHash3's 64-bit finaliser.
constexpr std::uint64_t finalise(std::uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  hash ^= hash >> 33;
  return hash;
}

/// The same within 61 bits. Each step has an inverse, so different inputs have different outputs.
constexpr std::uint64_t permute(std::uint64_t value) {
  value ^= value >> 31;
  value = (value * 0xff51afd7ed558ccdULL) & hash_mask;
  value ^= value >> 31;
  value = (value * 0xc4ceb9fe1a85ec53ULL) & hash_mask;
  value ^= value >> 31;
  return value;
}

std::uint64_t hash_mailbox(std::string_view account, std::string_view path, std::uint64_t seed) {
  // The account's own hash is the seed, which separates ("a", "bc") from ("ab", "c").
  return stable_hash(path, stable_hash(account, seed));
}

}  // namespace

std::uint64_t stable_hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ finalise(seed);
  for (const char letter : text) {
    hash ^= static_cast<unsigned char>(letter);
    hash *= 0x100000001b3ULL;
  }
  return finalise(hash);
}

MailboxId mailbox_id_candidate(std::string_view account, std::string_view path) {
  const auto id = static_cast<std::uint32_t>(hash_mailbox(account, path, mailbox_id_seed)) & mailbox_id_mask;
  return MailboxId{id == 0 ? 1 : id};
}

InodeId mailbox_inode(std::string_view account, std::string_view path) {
  return InodeId{(hash_mailbox(account, path, mailbox_inode_seed) & hash_mask) | directory_bit};
}

std::uint64_t message_inode_seed(std::string_view account, std::string_view path, UidValidity validity) {
  return hash_mailbox(account, path, finalise(validity.value + (message_seed << 32)));
}

InodeId message_inode(std::uint64_t seed, Uid uid) {
  return InodeId{permute((seed + uid.value * 0x9e3779b97f4a7c15ULL) & hash_mask) | message_bit};
}

}  // namespace imapfs
