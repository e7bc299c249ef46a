#pragma once
// Who is told of what has changed in an account.

#include <string>
#include <vector>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_tree.hpp"

namespace imapfs::sync {

/// Told of every change after the tables show it, on sync's threads, with no lock held. Implemented by
/// vfs::ChangePublisher, which tells the kernel and .imapfs/events.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  struct MailboxChange {
    MailboxId mailbox;
    std::string path;
    struct Entry {
      Uid uid;
      std::string file_name;
    };
    std::vector<Entry> added;  ///< not for the rows of a mailbox's first listing
    std::vector<Entry> removed;
    std::vector<Uid> attributes_changed;  ///< size corrected
    std::vector<Uid> flags_changed;
    /// Came or went by a change made through the mount, which the kernel knows of by itself: for `.imapfs/events` only.
    std::vector<Entry> added_by_us;
    std::vector<Entry> removed_by_us;
    bool everything = false;       ///< UIDVALIDITY changed: forget the whole directory
    bool deleted_changed = false;  ///< what .deleted lists is not the same any more
    /// MailboxReader::rights() has become known or is another: modes of the directory and its files.
    bool rights_changed = false;
    SteadyClock::time_point received;  ///< when the server's line came in
  };
  virtual void on_mailbox_changed(const MailboxChange& change) = 0;
  virtual void on_tree_changed(const TreeChange& change) = 0;
  virtual void on_online(bool online, const std::string& reason) = 0;
  /// A change that a user had been promised was refused: "remove", "INBOX/name.eml", why.
  virtual void on_change_refused(const std::string& operation, const std::string& path, const Error& error) = 0;
};

}  // namespace imapfs::sync
