#pragma once
// The inside of MessageTable: its rows and places; decides where each message is listed, and by which name.
//
// Does not lock; MessageTable does.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/sync/message_table.hpp"
#include "sync/mailbox/message_places.hpp"
#include "sync/mailbox/row_storage.hpp"

namespace imapfs::sync {

struct MessageTable::State {
  explicit State(const mime::NameTemplate& templates_of_table) : templates(templates_of_table) {}

  const mime::NameTemplate& templates;
  RowBlocks rows;
  NameArena names;
  FlagInterner flags;
  Places places;
  UidValidity uid_validity;
  Uid frontier;
  bool complete = false;

  [[nodiscard]] MessageMeta meta(const MessageRow& row, std::string_view name) const;
  [[nodiscard]] Place place_of(const MessageRow& row) const;
  /// The message's name in its place. `scratch` holds a name that is made temporarily.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, std::string& scratch) const;
  /// As above, for callers that have its given name, if any, and its place.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, const Places::LocalName* local, Place place,
                                         std::string& scratch) const;
  /// Whether the message is in `place`, or may be there once its row has come.
  [[nodiscard]] bool may_be_in(Place place, Uid uid) const;
  /// The message that `name` finds in `place`: of those that were given it and may be there, the latest.
  [[nodiscard]] std::optional<Uid> holder(Place place, std::string_view name) const;
  /// Whether `name` was given to a message in `place`, or to a hidden one: while our change removes that message or
  /// replaces it by a new version, no other message changes its name.
  [[nodiscard]] bool is_given_away(Place place, std::string_view name) const;
  /// The template's name, or another name if the template's was given to another message.
  [[nodiscard]] std::string_view own_name(std::string_view rendered, Uid uid, Place place, std::string& scratch) const;
  [[nodiscard]] const MessageRow* find_in(Place place, std::string_view name) const;
  /// Calls `change` for each UID; returns those with rows for which it returned true.
  [[nodiscard]] std::vector<Uid> change_places(const UidSet& uids, const std::function<bool(Uid)>& change) const;
  void set_name(MessageRow& row, std::string_view name);
  void replace_flags(MessageRow& row, const FlagSet& wanted);
  void compact_names();
};

}  // namespace imapfs::sync
