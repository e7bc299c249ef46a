#include "imapfs/sync/message_table.hpp"

namespace imapfs::sync {

std::optional<MessageMeta> MessageTable::find_deleted_by_name(std::string_view, const mime::NameTemplate&) const {
  return std::nullopt;
}
bool MessageTable::hidden(Uid) const { return false; }
std::optional<std::string> MessageTable::local_name(Uid) const { return std::nullopt; }
std::vector<Uid> MessageTable::deleted() const { return {}; }
std::vector<Uid> MessageTable::set_hidden(const UidSet&, bool) { return {}; }
void MessageTable::set_local_name(Uid, const std::string&) {}

}  // namespace imapfs::sync
