#pragma once
// The words in which a ChangeRecord tells of messages: "INBOX/7", "change 3", "Sent/x replacing Sent/8". Any thread.

#include <string>

#include "fake_tree.hpp"
#include "imapfs/sync/message_changer.hpp"

namespace imapfs::testing {

class ChangeText {
 public:
  /// `tree` outlives it.
  explicit ChangeText(const FakeTree& tree) : tree_(tree) {}

  [[nodiscard]] std::string of(const MessageLocation& message) const {
    return tree_.path_below(message.mailbox, std::to_string(message.uid.value));
  }
  [[nodiscard]] std::string of(const sync::ChangeSource& source) const {
    return source.brought_by.value != 0 ? "change " + std::to_string(source.brought_by.value) : of(source.message);
  }
  [[nodiscard]] std::string of(const sync::ArrivalTarget& target) const {
    return tree_.path_below(target.mailbox, target.file_name) + replacing(target.replaces);
  }
  [[nodiscard]] std::string replacing(const MessageLocation& message) const {
    return message.uid.value == 0 ? "" : " replacing " + of(message);
  }

 private:
  const FakeTree& tree_;
};

}  // namespace imapfs::testing
