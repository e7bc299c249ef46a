#pragma once
// What an ImapServer answers: one virtual method per command, correct by itself, so that a test bends one by
// overriding it.
//
// The capabilities say what the server knows: a command or an argument of an extension that is not among them is BAD.
// Methods are called on the threads of the connections, several at a time. An override may write rows of its own, call
// the method it overrides, or both:
//
//   struct ShortSearch : ImapCommands {
//     using ImapCommands::ImapCommands;
//     void search(ImapDialogue& client, const ImapCommand& command) override {
//       client.untagged("SEARCH 1 2 3");
//       client.ok(command);
//     }
//   };

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "imap_account.hpp"
#include "imap_dialogue.hpp"
#include "imap_syntax.hpp"

namespace imapfs::testing {

inline constexpr auto plain_server = "IMAP4rev1";
inline constexpr auto idling_server = "IMAP4rev1 IDLE NAMESPACE UIDPLUS LITERAL+";
inline constexpr auto condstore_server = "IMAP4rev1 IDLE NAMESPACE UIDPLUS LITERAL+ ENABLE CONDSTORE";
inline constexpr auto modern_server =
    "IMAP4rev1 LITERAL+ ENABLE ID IDLE NAMESPACE UIDPLUS MOVE CONDSTORE QRESYNC ESEARCH UNSELECT CHILDREN "
    "LIST-EXTENDED LIST-STATUS SPECIAL-USE";

class ImapCommands {
 public:
  explicit ImapCommands(const std::string& capabilities = modern_server);
  virtual ~ImapCommands() = default;
  ImapCommands(const ImapCommands&) = delete;
  ImapCommands& operator=(const ImapCommands&) = delete;

  [[nodiscard]] const std::string& capabilities() const { return capabilities_; }
  [[nodiscard]] bool has(std::string_view capability) const { return words_.contains(std::string(capability)); }
  /// Finds the method.
  virtual void answer(ImapDialogue& client, const ImapCommand& command);

  virtual void greet(ImapDialogue& client);
  virtual void capability(ImapDialogue& client, const ImapCommand& command);
  virtual void login(ImapDialogue& client, const ImapCommand& command);
  virtual void authenticate(ImapDialogue& client, const ImapCommand& command);
  virtual void id(ImapDialogue& client, const ImapCommand& command);
  virtual void enable(ImapDialogue& client, const ImapCommand& command);
  virtual void name_space(ImapDialogue& client, const ImapCommand& command);
  virtual void list(ImapDialogue& client, const ImapCommand& command);
  virtual void status(ImapDialogue& client, const ImapCommand& command);
  /// EXAMINE too.
  virtual void select(ImapDialogue& client, const ImapCommand& command);
  virtual void unselect(ImapDialogue& client, const ImapCommand& command);
  virtual void noop(ImapDialogue& client, const ImapCommand& command);
  virtual void idle(ImapDialogue& client, const ImapCommand& command);
  virtual void notify(ImapDialogue& client, const ImapCommand& command);
  virtual void logout(ImapDialogue& client, const ImapCommand& command);
  virtual void fetch(ImapDialogue& client, const ImapCommand& command);
  virtual void search(ImapDialogue& client, const ImapCommand& command);
  virtual void store(ImapDialogue& client, const ImapCommand& command);
  virtual void copy(ImapDialogue& client, const ImapCommand& command);
  virtual void move(ImapDialogue& client, const ImapCommand& command);
  virtual void expunge(ImapDialogue& client, const ImapCommand& command);
  virtual void append(ImapDialogue& client, const ImapCommand& command);
  virtual void create(ImapDialogue& client, const ImapCommand& command);
  virtual void remove(ImapDialogue& client, const ImapCommand& command);  ///< DELETE
  virtual void rename(ImapDialogue& client, const ImapCommand& command);
  virtual void subscribe(ImapDialogue& client, const ImapCommand& command);

 protected:
  /// One row of FETCH without its number: "(UID 3 FLAGS () …)". Called under the account's lock.
  virtual std::string fetch_row(const ImapDialogue& client, const ImapMessage& message,
                                const std::vector<std::string>& items);
  /// "(MESSAGES 3 UIDNEXT 4)". Called under the account's lock.
  virtual std::string status_items(const ImapMailbox& mailbox, const std::string& wanted);

  /// UIDs of the selected mailbox that a set names, by UID or by number, as this client knows them.
  [[nodiscard]] static std::vector<std::uint32_t> named(const ImapDialogue& client, const ImapCommand& command);
  /// Runs `use` under the account's lock with the mailbox; answers NO [NONEXISTENT] and returns false without one.
  static bool with_mailbox(ImapDialogue& client, const ImapCommand& command, const std::string& name,
                           const std::function<void(std::shared_ptr<ImapMailbox>&)>& use);

 private:
  void tell_changes_since(ImapDialogue& client, const ImapMailbox& mailbox, const std::string& parameters);
  /// COPYUID's data; nothing where there is no such mailbox.
  std::string copy_messages(ImapDialogue& client, const ImapCommand& command);

  const std::string capabilities_;
  std::set<std::string> words_;
};

}  // namespace imapfs::testing
