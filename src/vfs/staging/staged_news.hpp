#pragma once
// What the kernel is told of staged files: names that no operation of its own has removed, pages that are wrong.
//
// Nothing here waits for the kernel. Thread "staging".

#include "imapfs/vfs/change_publisher.hpp"
#include "vfs/staging/shown_files.hpp"
#include "vfs/staging/staged_file.hpp"

namespace imapfs::vfs {

class StagedNews {
 public:
  StagedNews(ShownFiles& shown, ChangePublisher& publisher) : shown_(shown), publisher_(publisher) {}

  /// The file's name is gone, which no operation of the kernel has removed.
  void name_removed(const StagedFile& file) const;
  void name_removed(MailboxId mailbox, const std::string& name, NodeId node) const;
  /// What the kernel has cached of the node is wrong: its attributes, and its pages too if `pages`.
  void file_changed(NodeId node, bool pages) const;
  /// The kernel places an O_APPEND write where it believes the end to be, and keeps the data in its pages at that
  /// place. It is wrong where the file has grown by an upload since it looked, and where the server lies about sizes.
  void pages_are_wrong(NodeId node) const;
  /// The file has been uploaded and closed: from here on everybody is shown what the server has, and the kernel knows
  /// the size before whoever waits is answered. Those who still write to it go on with their own bytes.
  void show_message(StagedFile& file) const;

 private:
  ShownFiles& shown_;
  ChangePublisher& publisher_;
};

}  // namespace imapfs::vfs
