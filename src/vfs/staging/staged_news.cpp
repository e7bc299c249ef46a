#include "vfs/staging/staged_news.hpp"

#include <utility>

#include "vfs/news/kernel_publisher.hpp"

namespace imapfs::vfs {

void StagedNews::name_removed(const StagedFile& file) const { name_removed(file.mailbox, file.name, file.node); }

void StagedNews::name_removed(MailboxId mailbox, const std::string& name, NodeId node) const {
  publisher_.kernel().name_gone(mailbox, name, node);
}

void StagedNews::file_changed(NodeId node, bool pages) const { publisher_.kernel().file_changed(node, pages); }

void StagedNews::pages_are_wrong(NodeId node) const {
  shown_.mark_stale_pages(node);
  file_changed(node, true);
}

void StagedNews::show_message(StagedFile& file) const {
  if (!file.recoded || !file.content || !file.original || file.dirty || file.has_row()) return;
  file.handles.keep_offsets();
  file.as_written = std::exchange(file.content, nullptr);
  shown_.show(file);
  pages_are_wrong(file.node);
}

}  // namespace imapfs::vfs
