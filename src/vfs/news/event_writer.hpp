#pragma once
// The lines of /.imapfs/events that tell of changes: imapfs(7), "THE CONTROL DIRECTORY".
//
// Any thread; holds no lock while it appends.

#include <atomic>
#include <string>
#include <vector>

#include "imapfs/sync/change_listener.hpp"
#include "imapfs/sync/mailbox_reader.hpp"
#include "vfs/news/event_log.hpp"

namespace imapfs::vfs {

class EventWriter {
 public:
  using MailboxChange = sync::ChangeListener::MailboxChange;

  /// `events` outlives this.
  explicit EventWriter(EventLog& events) : events_(events) {}

  /// Without it messages of whose flags or sizes there is news have no names, and are left out.
  void connect_mailboxes(const sync::MailboxReader* mailboxes) { mailboxes_ = mailboxes; }

  void mailbox_changed(const MailboxChange& change);
  void tree_changed(const sync::TreeChange& change);
  void online(bool online, const std::string& reason);
  void change_refused(const std::string& operation, const std::string& path, const Error& error);

 private:
  void log_entries(const MailboxChange& change, const char* event, const std::vector<MailboxChange::Entry>& entries);
  void log_uids(const MailboxChange& change, const char* event, const std::vector<Uid>& uids);

  EventLog& events_;
  std::atomic<const sync::MailboxReader*> mailboxes_ = nullptr;
};

}  // namespace imapfs::vfs
