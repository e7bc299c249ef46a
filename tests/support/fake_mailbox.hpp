#pragma once
// A mailbox as plain data: what FakeServer keeps of each, and the answers that can be computed from it alone.
// No locking: FakeServer's state guards it.

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::testing {

/// Whether two texts are equal without regard to ASCII case.
inline bool same_word(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

/// The lines of `names` in the header of `message`, folded lines included, ended by an empty line: what
/// BODY.PEEK[HEADER.FIELDS (names)] gives.
inline std::string header_fields_of(std::string_view message, const std::vector<std::string>& names) {
  std::string block;
  bool wanted = false;
  while (!message.empty()) {
    const auto end = message.find('\n');
    const auto line = message.substr(0, end == std::string_view::npos ? message.size() : end + 1);
    message.remove_prefix(line.size());
    if (line == "\r\n" || line == "\n") break;
    if (line.front() != ' ' && line.front() != '\t') {
      const auto name = line.substr(0, line.find(':'));
      wanted = std::any_of(names.begin(), names.end(), [&](const auto& field) { return same_word(field, name); });
    }
    if (wanted) block += line;
  }
  return block + "\r\n";
}

struct FakeMessage {
  Uid uid;
  UnixTime internal_date = 0;
  std::uint64_t reported_size = 0;  ///< RFC822.SIZE, right or wrong
  std::shared_ptr<const std::string> body;
  FlagSet flags;
  ModSeq modseq;
};

struct FakeMailbox {
  imap::WireName wire_name;
  std::string name;
  char delimiter = '/';
  bool selectable = true;
  bool may_have_children = true;
  bool read_only = false;
  bool subscribed = true;
  FlagSet permanent_flags = FlagSet::parse("\\Answered \\Flagged \\Deleted \\Seen \\Draft");
  bool may_create_keywords = true;
  std::string rights = "lrswipkxtea";  ///< RFC 4314, what MYRIGHTS says; commands are refused accordingly
  SpecialUse special_use = SpecialUse::none;
  UidValidity uid_validity{1};
  Uid uid_next{1};
  ModSeq highest_modseq{1};
  std::map<Uid, FakeMessage> messages;
  std::vector<std::pair<ModSeq, Uid>> vanished;  ///< when each removed message went

  ModSeq next_modseq() { return highest_modseq = ModSeq{highest_modseq.value + 1}; }

  /// Gives it a UID.
  Uid add(FakeMessage message) {
    const Uid uid = message.uid = std::exchange(uid_next, Uid{uid_next.value + 1});
    message.modseq = next_modseq();
    messages.emplace(uid, std::move(message));
    return uid;
  }
  bool remove(Uid uid) {
    if (messages.erase(uid) == 0) return false;
    vanished.emplace_back(next_modseq(), uid);
    return true;
  }
  /// Those of `wanted` that are here, at most `limit`.
  [[nodiscard]] std::vector<Uid> present(const UidSet& wanted, std::size_t limit) const {
    std::vector<Uid> found;
    for (const auto& [uid, message] : messages)
      if (found.size() < limit && wanted.contains(uid)) found.push_back(uid);
    return found;
  }

  [[nodiscard]] UidSet uids() const {
    std::vector<Uid> all;
    for (const auto& [uid, message] : messages) all.push_back(uid);
    return UidSet::of(std::move(all));
  }

  [[nodiscard]] MailboxStatus status(bool condstore) const {
    MailboxStatus status;
    status.messages = static_cast<std::uint32_t>(messages.size());
    status.unseen = static_cast<std::uint32_t>(std::count_if(
        messages.begin(), messages.end(), [](const auto& entry) { return !entry.second.flags.has(SystemFlag::seen); }));
    status.uid_next = uid_next;
    status.uid_validity = uid_validity;
    if (condstore) status.highest_modseq = highest_modseq;
    std::uint64_t size = 0;
    for (const auto& [uid, message] : messages) size += message.reported_size;
    status.size = size;
    return status;
  }

  [[nodiscard]] imap::ListedMailbox listed(bool with_status, bool condstore) const {
    imap::ListedMailbox row;
    row.wire_name = wire_name;
    row.name = name;
    row.delimiter = delimiter;
    row.selectable = selectable;
    row.may_have_children = may_have_children;
    row.subscribed = subscribed;
    row.special_use = special_use;
    if (with_status && selectable) row.status = status(condstore);
    return row;
  }

  /// The removed messages a client that knew the state of `since` must be told of.
  [[nodiscard]] UidSet vanished_since(ModSeq since) const {
    std::vector<Uid> uids;
    for (const auto& [modseq, uid] : vanished)
      if (modseq > since) uids.push_back(uid);
    return UidSet::of(std::move(uids));
  }

  /// SEARCH for "ALL", "UID <set>", and flag words, combined by "and". Nothing for criteria it does not know.
  [[nodiscard]] std::optional<UidSet> search(std::string_view criteria) const;
};

/// "1:5,7,9:*" as a UidSet, with `highest` for the star.
inline UidSet parse_uid_set(std::string_view text, Uid highest) {
  UidSet set;
  const auto number = [&](std::string_view digits) {
    return digits == "*" ? highest : Uid{static_cast<std::uint32_t>(std::stoul(std::string(digits)))};
  };
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto colon = part.find(':');
    const Uid first = number(part.substr(0, colon));
    const Uid last = colon == std::string_view::npos ? first : number(part.substr(colon + 1));
    set.add(std::min(first, last), std::max(first, last));
  }
  return set;
}

inline std::optional<UidSet> FakeMailbox::search(std::string_view criteria) const {
  const auto next_word = [&criteria] {
    const auto word = criteria.substr(0, criteria.find(' '));
    criteria.remove_prefix(std::min(criteria.size(), word.size() + 1));
    return word;
  };
  std::vector<const FakeMessage*> found;
  for (const auto& [uid, message] : messages) found.push_back(&message);
  const auto keep = [&found](const auto& wanted) {
    std::erase_if(found, [&](const FakeMessage* message) { return !wanted(*message); });
  };
  while (!criteria.empty()) {
    const auto word = next_word();
    if (same_word(word, "ALL")) continue;
    if (same_word(word, "UID")) {
      const auto set = parse_uid_set(next_word(), messages.empty() ? Uid{0} : messages.rbegin()->first);
      keep([&](const FakeMessage& message) { return set.contains(message.uid); });
    } else if (same_word(word, "SEEN") || same_word(word, "UNSEEN")) {
      keep([&](const auto& message) { return message.flags.has(SystemFlag::seen) == same_word(word, "SEEN"); });
    } else if (same_word(word, "DELETED") || same_word(word, "UNDELETED")) {
      keep([&](const auto& message) { return message.flags.has(SystemFlag::deleted) == same_word(word, "DELETED"); });
    } else {
      return std::nullopt;
    }
  }
  std::vector<Uid> uids;
  for (const auto* message : found) uids.push_back(message->uid);
  return UidSet::of(std::move(uids));
}

}  // namespace imapfs::testing
