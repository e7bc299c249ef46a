#pragma once
// Places the rows of LIST in a tree of directories, whatever the server sends.
//
// A draft is found by the server's name up to its level, not by its component: two namespaces may both have a "news",
// and the children of each must be below their own.

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "imapfs/imap/session.hpp"

namespace imapfs::sync {

/// A directory before it has an id.
struct MailboxDraft {
  std::size_t parent = 0;
  std::string component;
  std::string path;
  char delimiter = 0;
  const imap::ListedMailbox* mailbox = nullptr;  ///< null: only a level
  std::map<std::string, std::size_t, std::less<>> children;
};

class MailboxTreeBuilder {
 public:
  /// Both arguments outlive the builder.
  MailboxTreeBuilder(const std::vector<imap::Namespace>& namespaces, const std::vector<imap::ListedMailbox>& mailboxes);

  /// The first draft is the root.
  [[nodiscard]] const std::vector<MailboxDraft>& drafts() const { return drafts_; }

 private:
  /// A row of LIST, and where its path begins.
  struct Entry {
    const imap::ListedMailbox* mailbox;
    std::string_view name;  ///< INBOX in upper case, no trailing delimiter
    std::size_t stripped;   ///< bytes at the start of `name` that are not in the path
    bool personal;          ///< gets its component before the others
  };

  void read_namespaces(const std::vector<imap::Namespace>& namespaces);
  [[nodiscard]] std::vector<Entry> entries(const std::vector<imap::ListedMailbox>& mailboxes) const;
  [[nodiscard]] Entry entry(const imap::ListedMailbox& mailbox) const;
  /// False if the row exceeds the limits.
  bool place(const Entry& entry);
  std::size_t level(std::size_t parent, std::string_view server_name, std::string_view text, char delimiter);
  void occupy(std::size_t parent, const Entry& entry, std::string_view text);
  std::size_t create(std::size_t parent, std::string component, char delimiter);
  [[nodiscard]] std::string free_component(std::size_t parent, std::string_view text, std::string_view server_name,
                                           std::string_view unique) const;
  [[nodiscard]] bool within_bounds(const Entry& entry) const;

  std::string personal_prefix_;
  std::vector<std::string> other_prefixes_;
  std::vector<MailboxDraft> drafts_;
  std::unordered_map<std::string, std::size_t> by_server_name_;
  std::size_t path_bytes_ = 0;
};

/// "INBOX" in any case.
[[nodiscard]] bool is_inbox(std::string_view name);

}  // namespace imapfs::sync
