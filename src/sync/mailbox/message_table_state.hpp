#pragma once
// The inside of MessageTable: rows, and places beside them; which message is listed where, and by which name.
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
  /// The name it goes by where it is. `scratch` holds one that is made for the moment.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, std::string& scratch) const;
  /// The same with its local name, if any, and its place at hand.
  [[nodiscard]] std::string_view name_of(const MessageRow& row, const Places::LocalName* local, Place place,
                                         std::string& scratch) const;
  /// Whether the message is in `place`, or may turn out to be: its row has not come yet.
  [[nodiscard]] bool may_be_in(Place place, Uid uid) const;
  /// Whose given name this is in `place`: of those that may be there, the one that was given it last.
  [[nodiscard]] std::optional<Uid> holder(Place place, std::string_view name) const;
  /// Whether somebody was given this name who is in `place`, or hidden: while a change of ours takes him away, or a new
  /// version takes his place, nobody else is renamed.
  [[nodiscard]] bool is_given_away(Place place, std::string_view name) const;
  /// The template's name, or another where that is somebody's given name.
  [[nodiscard]] std::string_view own_name(std::string_view rendered, Uid uid, Place place, std::string& scratch) const;
  [[nodiscard]] const MessageRow* find_in(Place place, std::string_view name) const;
  /// Calls `change` for each; those with rows for which it returned true.
  [[nodiscard]] std::vector<Uid> change_places(const UidSet& uids, const std::function<bool(Uid)>& change) const;
  void set_name(MessageRow& row, std::string_view name);
  void replace_flags(MessageRow& row, const FlagSet& wanted);
  void compact_names();
};

}  // namespace imapfs::sync
