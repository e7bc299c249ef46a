#pragma once
// The messages that changes of this process have brought: by the change, for requests that name a message so, and by
// place, so that no other change takes one of them for its own.
//
// Bounded: the oldest are forgotten. Any thread; one lock, a leaf.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/store/journal.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

/// A place in the journal's terms, in an order.
using LocationKey = std::tuple<std::string, std::uint32_t, std::uint32_t>;
[[nodiscard]] LocationKey key_of(const store::JournalLocation& place);

class OwnArrivals {
 public:
  /// `change` has succeeded; uid 0: nobody knows where its message is.
  void remember(ChangeId change, const store::JournalLocation& place);
  /// Nothing for a change that has not ended, or that is forgotten.
  [[nodiscard]] std::optional<store::JournalLocation> place_of(ChangeId change) const;

  [[nodiscard]] bool contains(const store::JournalLocation& place) const;
  /// Makes the message one of them. False if it was one: another change has found it.
  [[nodiscard]] bool claim(const store::JournalLocation& place);
  /// The highest UID of them in the mailbox, or 0.
  [[nodiscard]] Uid highest_in(const std::string& mailbox, UidValidity validity) const;

  void rename_mailbox(const std::string& from, const std::string& to, char delimiter);

 private:
  struct State {
    std::map<ChangeId, store::JournalLocation> by_change;
    std::set<LocationKey> by_place;
  };
  mutable Guarded<State> state_;
};

}  // namespace imapfs::sync
