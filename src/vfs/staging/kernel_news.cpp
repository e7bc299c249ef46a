#include "vfs/staging/kernel_news.hpp"

#include <utility>

namespace imapfs::vfs {

void KernelNews::name_removed(const StagedFile& file) const { name_removed(file.mailbox, file.name, file.node); }

void KernelNews::name_removed(MailboxId mailbox, const std::string& name, NodeId node) const {
  publisher_.name_gone(mailbox, name, node);
}

void KernelNews::file_changed(NodeId node, bool pages) const { publisher_.file_changed(node, pages); }

void KernelNews::pages_are_wrong(NodeId node) const {
  shown_.mark_stale_pages(node);
  file_changed(node, true);
}

void KernelNews::show_message(StagedFile& file) const {
  if (!file.recoded || !file.content || !file.original || file.dirty || file.has_row()) return;
  file.handles.keep_offsets();
  file.as_written = std::exchange(file.content, nullptr);
  shown_.show(file);
  pages_are_wrong(file.node);
}

}  // namespace imapfs::vfs
