#include "vfs/staging/staged_file.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace imapfs::vfs {

std::optional<Error> StagedFile::missing_bytes() const {
  std::optional<std::uint64_t> hole;
  if (content) hole = content->first_hole();
  if (!content && written) hole = written->first_hole(source_size);
  if (!hole) return std::nullopt;
  return Error{EINVAL, Scope::message, Retry::never,
               fmt::format("not an Internet message: what begins at octet {} was never written", *hole)};
}

void StagedFile::close_content() {
  if (!content) return;
  source_size = content->size();
  source = {};
  content.reset();
}

}  // namespace imapfs::vfs
