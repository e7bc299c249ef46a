#include "staging_inspection.hpp"

namespace imapfs::vfs {

Result<Inspected> inspect(const StagedContent& content) {
  Inspected inspected;
  inspected.canonical_size = content.size();
  return inspected;
}

}  // namespace imapfs::vfs
