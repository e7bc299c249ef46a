#include "imapfs/store/journal.hpp"

namespace imapfs::store {

Result<std::shared_ptr<Journal>> Journal::open(const std::string&, const std::string&) {
  return fail(EOPNOTSUPP, "not possible yet");
}
std::string default_state_root() { return {}; }

}  // namespace imapfs::store
