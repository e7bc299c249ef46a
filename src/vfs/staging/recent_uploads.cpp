#include "vfs/staging/recent_uploads.hpp"

#include <algorithm>

namespace imapfs::vfs {

std::list<RecentUploads::Uploaded>::const_iterator RecentUploads::find(NodeId node) const {
  return std::find_if(uploaded_.begin(), uploaded_.end(),
                      [&](const Uploaded& uploaded) { return uploaded.node == node; });
}

bool RecentUploads::knows(NodeId node, SteadyClock::time_point oldest) const {
  const auto known = find(node);
  return known != uploaded_.end() && known->since >= oldest;
}

void RecentUploads::forget(std::list<Uploaded>::const_iterator uploaded) {
  if (uploaded->content) kept_bytes_ -= uploaded->content->size();
  uploaded_.erase(uploaded);
}

void RecentUploads::release(Uploaded& uploaded) {
  kept_bytes_ -= uploaded.content->size();
  uploaded.content.reset();
}

void RecentUploads::remember(const StagedFile& file) {
  const auto& bytes = file.content ? file.content : file.as_written;
  const auto known = find(file.node);
  // Opened again, and nothing was written: what is kept of it is still right.
  if (!bytes && known != uploaded_.end()) return;
  if (known != uploaded_.end()) forget(known);
  uploaded_.push_back(Uploaded{file.node, bytes});
  if (bytes) kept_bytes_ += bytes->size();
  use_.shown.add_own_message(file.node);
  keep_within_bounds();
}

void RecentUploads::keep_within_bounds() {
  std::size_t kept = 0;
  for (auto newest = uploaded_.rbegin(); newest != uploaded_.rend(); ++newest) {
    if (newest->content && (++kept > max_kept || kept_bytes_ > max_kept_bytes)) release(*newest);
  }
  if (uploaded_.size() <= max_uploaded) return;
  use_.shown.forget_own_message(uploaded_.front().node);
  forget(uploaded_.begin());
}

StagedFilePtr RecentUploads::reopen(NodeId node, const MessageLocation& message) const {
  auto file = std::make_shared<StagedFile>();
  file->node = node;
  file->own = true;
  file->original = OriginalMessage{node, 1, message, {}};
  use_.originals.refresh(*file->original);
  if (const auto entry = use_.entries.find(node); file->original->meta.uid.value == 0 && entry) {
    file->original->meta = entry->meta;
  }
  file->mailbox = message.mailbox;
  file->name = file->original->meta.file_name;
  file->source = message;
  file->source_size = file->original->meta.size;
  file->changed = Timestamp{file->original->meta.internal_date, 0};
  if (const auto known = find(node); known != uploaded_.end()) file->content = known->content;
  use_.files.add(file);
  return file;
}

}  // namespace imapfs::vfs
