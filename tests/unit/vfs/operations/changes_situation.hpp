#pragma once
// A Situation with the message INBOX/7, and the requests that change something, one call each.

#include <string>

#include "unit/vfs/situation.hpp"

namespace imapfs::vfs {

struct Changes : Situation {
  Changes() : name(account.mailboxes().add("INBOX", 7)) {}
  std::string name;
  NodeId inbox = mailbox("INBOX");
  NodeId node = message("INBOX", 7);

  Answer<Entry> mknod(const std::string& file, const Caller& caller = {}) {
    Answer<Entry> answer;
    filesystem.mknod(caller, inbox, file, S_IFREG | 0600, answer.reply());
    return answer;
  }
  Answer<Entry> mkdir(NodeId parent, const std::string& directory, const Caller& caller = {}) {
    Answer<Entry> answer;
    filesystem.mkdir(caller, parent, directory, 0700, answer.reply());
    return answer;
  }
  Answer<void> unlink(const std::string& file, const Caller& caller = {}) {
    Answer<void> answer;
    filesystem.unlink(caller, inbox, file, answer.reply());
    return answer;
  }
  Answer<void> rmdir(NodeId parent, const std::string& directory, const Caller& caller = {}) {
    Answer<void> answer;
    filesystem.rmdir(caller, parent, directory, answer.reply());
    return answer;
  }
  Answer<AttributesReply> setattr(const AttributeChanges& changes, const Caller& caller = {}) {
    Answer<AttributesReply> answer;
    filesystem.setattr(caller, node, changes, answer.reply());
    return answer;
  }
};

}  // namespace imapfs::vfs
