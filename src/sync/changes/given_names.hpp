#pragma once
// Names that users give to messages in place of the template's: ours alone, so they are given at once, unless the
// message is just being restored, which would give it another one at its end.
//
// give() may be called from any thread and returns at once. No locks of its own.

#include <string>

#include "sync/changes/acceptor.hpp"

namespace imapfs::sync {

class GivenNames {
 public:
  struct Dependencies {
    ChangeThread& thread;
    SharedChangeTable& table;
    store::Journal& journal;
    const Locations& locations;
    const ChangeRights& rights;
    ChangeWaiters& waiters;
    Acceptor& acceptor;
  };
  explicit GivenNames(Dependencies dependencies);

  /// As MessageChanger::give_name().
  void give(const MessageLocation& message, const std::string& name, const MessageLocation& replaces,
            Completion<void> done);

 private:
  void give_when_restored(const MessageLocation& message, const std::string& name, const ChangeRequest& removal);
  void give_now(const MessageLocation& message, const std::string& name, const ChangeRequest& removal);
  [[nodiscard]] bool is_being_restored(const MessageLocation& message);

  const Dependencies dependencies_;
};

}  // namespace imapfs::sync
