#pragma once
// Whether a change may be made at all, as far as that is known without asking the server, which has the last word.
//
// Errors: EHOSTUNREACH without a connection, ENOENT, EROFS, EACCES, EOPNOTSUPP, EFBIG. Any thread; no locks of its own.

#include <functional>

#include "sync/changes/change_request.hpp"
#include "sync/changes/change_table.hpp"
#include "sync/changes/locations.hpp"
#include "sync/changes/removal_policy.hpp"

namespace imapfs::sync {

class ChangeRights {
 public:
  struct Dependencies {
    const Locations& locations;
    const RemovalPlanner& removals;
    const SharedChangeTable& table;
    std::function<bool()> online;
    std::function<imap::Capabilities()> capabilities;
  };
  explicit ChangeRights(Dependencies dependencies);

  [[nodiscard]] Result<void> check(const ChangeRequest& request) const;
  /// `destination`: null if there is no such mailbox.
  [[nodiscard]] Result<void> check_upload(const Upload& upload, const MailboxPointer& destination) const;

 private:
  [[nodiscard]] Result<void> check_connection() const;
  [[nodiscard]] Result<void> check_source(const ChangeRequest& request) const;
  [[nodiscard]] Result<void> check_target(const ArrivalTarget& target) const;
  [[nodiscard]] MailboxPointer mailbox_of(const ChangeSource& source) const;

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
