#pragma once
// sync::MailboxChanger without a server: each change is recorded as a line and, unless the test holds, fails or refuses
// it, carried out at once on the fake's tree. Thread-safe; completions run with no lock held.

#include <string>
#include <utility>
#include <vector>

#include "change_record.hpp"
#include "fake_tree.hpp"
#include "imapfs/sync/mailbox_changer.hpp"

namespace imapfs::testing {

class FakeMailboxChanger : public sync::MailboxChanger {
 public:
  /// They outlive it.
  FakeMailboxChanger(FakeTree& tree, ChangeRecord& record) : tree_(tree), record_(record) {}

  void create(MailboxId parent, const std::string& component, Completion<MailboxId> done) override {
    const auto path = tree_.path_below(parent, component);
    record_.perform(
        "create " + path,
        [this, path]() -> Result<MailboxId> {
          auto paths = tree_.paths();
          paths.push_back(path);
          tree_.replace(paths);
          return tree_.id(path);
        },
        std::move(done));
  }
  void remove(MailboxId mailbox, Completion<void> done) override {
    const auto path = tree_.path_below(mailbox, "");
    record_.perform(
        "delete " + path,
        [this, path]() -> Result<void> {
          auto paths = tree_.paths();
          std::erase_if(paths, [&](const std::string& one) { return one == path || one == path + "/"; });
          tree_.replace(paths);
          return {};
        },
        std::move(done));
  }
  void rename(MailboxId mailbox, MailboxId new_parent, const std::string& new_component,
              Completion<void> done) override {
    const auto from = tree_.path_below(mailbox, "");
    const auto to = tree_.path_below(new_parent, new_component);
    record_.perform(
        "rename " + from + " -> " + to,
        [this, from, to]() -> Result<void> {
          auto paths = tree_.paths();
          std::erase(paths, to);  // empty, or vfs would not have asked
          for (auto& path : paths) {
            if (path == from || path.starts_with(from + "/")) path = to + path.substr(from.size());
          }
          tree_.replace(paths);
          return {};
        },
        std::move(done));
  }

 private:
  FakeTree& tree_;
  ChangeRecord& record_;
};

}  // namespace imapfs::testing
