#pragma once
// The vocabulary of all layers: numbers of IMAP and of the file system, flags, and what is known of a message.
//
// Plain values without thread affinity. Terms are those of RFC 9051 and of the kernel.

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace imapfs {

/// A number that does not convert to numbers of another meaning.
template <class Tag, class Number>
struct Strong {
  Number value{};
  constexpr auto operator<=>(const Strong&) const = default;
};

/// RFC 9051 §2.3.1.1: identifies a message within (mailbox, UIDVALIDITY). 0: none.
using Uid = Strong<struct UidTag, std::uint32_t>;
/// RFC 9051 §2.3.1.1; 0 if the server sent none.
using UidValidity = Strong<struct UidValidityTag, std::uint32_t>;
/// RFC 7162; 0 if the server has none.
using ModSeq = Strong<struct ModSeqTag, std::uint64_t>;
/// Names a directory of the mailbox tree: a 28-bit hash of account and path, see model/identity.hpp. 0 is the root.
using MailboxId = Strong<struct MailboxIdTag, std::uint32_t>;
/// st_ino.
using InodeId = Strong<struct InodeIdTag, std::uint64_t>;

/// Seconds since 1970-01-01 UTC. INTERNALDATE has no finer resolution.
using UnixTime = std::int64_t;

/// RFC 9051 §2.3.2 system flags as bits.
enum class SystemFlag : std::uint8_t {
  seen = 1,
  answered = 2,
  flagged = 4,
  deleted = 8,
  draft = 16,
  recent = 32,
};

/// A message's flags: system flags as bits, keywords sorted and unique without regard to case, spelled as received.
class FlagSet {
 public:
  FlagSet() = default;
  /// Adds a flag by its IMAP name ("\Seen", "$Forwarded"); system flags in any case. Ignores an empty name.
  void add(std::string_view flag);
  void remove(std::string_view flag);
  void add(SystemFlag flag) { system_ |= static_cast<std::uint8_t>(flag); }
  [[nodiscard]] bool has(SystemFlag flag) const { return (system_ & static_cast<std::uint8_t>(flag)) != 0; }
  [[nodiscard]] bool has(std::string_view flag) const;
  [[nodiscard]] std::uint8_t system() const { return system_; }
  [[nodiscard]] const std::vector<std::string>& keywords() const { return keywords_; }
  /// "\Answered \Seen $Forwarded": system flags first in a fixed order without \Recent, then keywords.
  [[nodiscard]] std::string to_string() const;
  /// The reverse of to_string(); words are separated by white space.
  static FlagSet parse(std::string_view text);
  bool operator==(const FlagSet&) const = default;

 private:
  std::uint8_t system_ = 0;
  std::vector<std::string> keywords_;
};

/// STORE +FLAGS, -FLAGS or FLAGS.
struct FlagChange {
  enum class Kind : std::uint8_t { add, remove, replace };
  Kind kind = Kind::add;
  FlagSet flags;
  bool operator==(const FlagChange&) const = default;
};

/// A message in its place. A server never gives the same location to another message.
struct MessageLocation {
  MailboxId mailbox;
  UidValidity uid_validity;
  Uid uid;
  auto operator<=>(const MessageLocation&) const = default;
};

/// What a listing needs of one message. `file_name` is final (rendered by the name template).
struct MessageMeta {
  Uid uid;
  UnixTime internal_date = 0;
  std::uint64_t size = 0;      ///< bytes: RFC822.SIZE until the body is known, then the body's length
  bool size_is_exact = false;  ///< the body's length has been seen
  ModSeq modseq;
  FlagSet flags;
  std::string file_name;
};

/// Header fields for xattrs, decoded to UTF-8.
struct MessageHeaders {
  std::string from;
  std::string subject;
  std::string date;
  std::string message_id;
};

/// A set of UIDs as sorted, disjoint, inclusive ranges: "1:5,7". `4294967295` as an end means "up to the highest".
class UidSet {
 public:
  struct Range {
    std::uint32_t first;
    std::uint32_t last;
    bool operator==(const Range&) const = default;
  };

  UidSet() = default;
  static UidSet single(Uid uid) { return range(uid, uid); }
  static UidSet range(Uid first, Uid last);
  /// `uids` need not be sorted.
  static UidSet of(std::vector<Uid> uids);
  void add(Uid first, Uid last);
  [[nodiscard]] bool contains(Uid uid) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] const std::vector<Range>& ranges() const { return ranges_; }
  /// RFC 9051 sequence-set; never "*", which matches the last message even when its UID is below the range.
  [[nodiscard]] std::string to_string() const;
  bool operator==(const UidSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

/// RFC 6154 and RFC 8457 special uses.
enum class SpecialUse : std::uint8_t { none, all, archive, drafts, flagged, junk, sent, trash, important };

/// What the server reports of a mailbox, by LIST, STATUS or SELECT.
struct MailboxStatus {
  std::optional<std::uint32_t> messages;
  std::optional<std::uint32_t> unseen;
  std::optional<Uid> uid_next;
  std::optional<UidValidity> uid_validity;
  std::optional<ModSeq> highest_modseq;
  std::optional<std::uint64_t> size;
};

}  // namespace imapfs

template <class Tag, class Number>
struct std::hash<imapfs::Strong<Tag, Number>> {
  std::size_t operator()(const imapfs::Strong<Tag, Number>& strong) const noexcept {
    return std::hash<Number>{}(strong.value);
  }
};
