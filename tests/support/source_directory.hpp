#pragma once
// Where the project's sources are: tests run its scripts and read its pages.

#include <string>

namespace imapfs::testing {

[[nodiscard]] std::string source_directory();

}  // namespace imapfs::testing
