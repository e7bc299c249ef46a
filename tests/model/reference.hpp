#pragma once
// What an account must hold, kept in memory beside the real one.
//
// A *copy* is one message in one place. While nothing went wrong there is one place where it can be; after an operation
// that failed without a clear outcome, or one that met another client's on the same message, there are several, until
// the next checkpoint has looked. Contents are keys ("17.2": message 17, second version); a copy made on the server has
// its original's key.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace imapfs::testing::model {

struct Place {
  enum class State { living, deleted, gone };
  std::string mailbox;
  State state = State::living;
  std::string key;
  auto operator<=>(const Place&) const = default;
};

struct Copy {
  std::vector<Place> places;     ///< not empty; one: certain
  std::string name;              ///< of the file; empty: only the mount knows
  std::optional<bool> starred;   ///< \Flagged; none: not known
  bool touched_by_user = false;  ///< since the last checkpoint
  bool touched_by_other = false;
  /// Since the last checkpoint the user has done more with it than moving or removing: nobody else may touch it until
  /// then, because there would be no saying what is right.
  bool intricate = false;

  [[nodiscard]] bool certain() const { return places.size() == 1; }
  [[nodiscard]] const Place& place() const { return places.front(); }
  [[nodiscard]] bool lives_in(const std::string& mailbox) const {
    return certain() && place().mailbox == mailbox && place().state == Place::State::living;
  }
  void also(Place further) {
    if (std::find(places.begin(), places.end(), further) == places.end()) places.push_back(std::move(further));
  }
  /// An operation that brings it to `after`: it did, or, if `sure` is false, perhaps.
  void moves_to(const Place& after, bool sure) {
    if (sure && certain()) places = {after};
    else also(after);
  }
};

/// What was found: of each mailbox, how many living messages have a key.
using Census = std::map<std::string, std::map<std::string, int>>;

struct Reference {
  std::vector<Copy> copies;
  std::set<std::string> mailboxes;
  std::set<std::string> perhaps_mailboxes;  ///< may exist or not

  /// What is wrong with the messages that were found living and flagged \Deleted; empty: nothing.
  [[nodiscard]] std::string classify(const Census& found, const Census& deleted) const;
};

}  // namespace imapfs::testing::model
