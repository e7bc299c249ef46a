#include "vfs/staging/message_inspection.hpp"

#include "imapfs/mime/message_form.hpp"

namespace imapfs::vfs {

namespace {

constexpr std::size_t chunk_size = 256 << 10;

}  // namespace

Result<Inspected> inspect(const StagedContent& content) {
  mime::MessageInspector inspector;
  for (std::uint64_t offset = 0; offset < content.size();) {
    const auto chunk = IMAPFS_TRY(content.read(offset, chunk_size));
    if (chunk.empty()) break;
    inspector.take(chunk);
    offset += chunk.size();
  }
  auto form = IMAPFS_TRY(inspector.finish());
  return Inspected{form.canonical_size, std::move(form.message_id)};
}

}  // namespace imapfs::vfs
