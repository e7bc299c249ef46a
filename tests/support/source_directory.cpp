#include "source_directory.hpp"

namespace imapfs::testing {

std::string source_directory() { return IMAPFS_SOURCE_DIR; }

}  // namespace imapfs::testing
