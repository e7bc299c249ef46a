#pragma once
// One connection of an ImapServer as its commands see it: what the client has asked for so far, and how it is answered.
//
// Answers are kept back until the command has ended, flush() or line(). One thread. An end of the connection shows in
// line() and next_command(), which have nothing then.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "imap_account.hpp"
#include "imap_log.hpp"
#include "imap_stream.hpp"

namespace imapfs::testing {

struct ImapCommand {
  std::string tag;
  std::string name;     ///< in upper case, without UID
  bool by_uid = false;  ///< UID FETCH …
  std::vector<std::string> arguments;

  [[nodiscard]] std::string argument(std::size_t index) const {
    return index < arguments.size() ? arguments[index] : std::string();
  }
};

class ImapDialogue {
 public:
  ImapDialogue(ImapStream& stream, ImapAccount& account, ImapLog& log, int number);
  ~ImapDialogue();
  ImapDialogue(const ImapDialogue&) = delete;
  ImapDialogue& operator=(const ImapDialogue&) = delete;

  /// Counts from 1.
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] ImapAccount& account() const { return account_; }

  // -- what is asked --
  std::optional<ImapCommand> next_command();
  /// A line that is no command: DONE, an answer to a challenge.
  std::optional<std::string> line();

  // -- what is answered --
  /// "* " is put before it.
  void untagged(const std::string& text);
  /// A line end is put behind it, nothing else.
  void raw(const std::string& text);
  void continuation(const std::string& text) { raw("+ " + text); }
  /// With what is new in the selected mailbox before it, where the command allows that.
  void ok(const ImapCommand& command, const std::string& text = "done");
  void no(const ImapCommand& command, const std::string& text = "refused") { tagged(command, "NO " + text); }
  void bad(const ImapCommand& command, const std::string& text = "not understood") { tagged(command, "BAD " + text); }
  void tagged(const ImapCommand& command, const std::string& text) { raw(command.tag + ' ' + text); }
  void flush();
  /// What was answered so far is sent first.
  void hang_up();
  [[nodiscard]] bool ended() const { return ended_; }

  // -- the selected mailbox --
  void select(const std::string& name, std::shared_ptr<ImapMailbox> mailbox);
  void unselect();
  [[nodiscard]] const std::string& selected_name() const { return selected_name_; }
  [[nodiscard]] const std::shared_ptr<ImapMailbox>& selected() const { return selected_; }
  /// The UIDs of the messages that this client knows of, by sequence number.
  [[nodiscard]] const std::vector<std::uint32_t>& view() const { return view_; }
  [[nodiscard]] std::size_t sequence_number(std::uint32_t uid) const;
  /// EXPUNGE or VANISHED, EXISTS, and FETCH of changed flags, as far as this client has not been told; STATUS of
  /// others with NOTIFY.
  void tell_news();
  /// The client needs no FETCH of what it has just changed itself.
  void knows_flags();
  /// From here on other mailboxes are told of (RFC 5465).
  void notify();
  /// Waits for a line of the client; what is new meanwhile is told at once.
  std::optional<std::string> idle();

  std::set<std::string> enabled;  ///< by ENABLE
  bool tells_modseq = false;      ///< once CONDSTORE was asked for in any way

 private:
  [[nodiscard]] std::optional<std::vector<std::string>> arguments(std::string text);
  void tell_removed(const ImapMailbox& mailbox);
  void tell_others(const ImapAccount::Mailboxes& mailboxes);

  ImapStream& stream_;
  ImapAccount& account_;
  ImapLog& log_;
  const int number_;
  const int woken_;
  bool ended_ = false;
  std::string output_;
  std::string selected_name_;
  std::shared_ptr<ImapMailbox> selected_;
  std::vector<std::uint32_t> view_;
  std::uint64_t told_modseq_ = 0;
  std::optional<std::map<std::string, std::uint64_t>> told_of_others_;
};

/// As IMAP's quoted string.
std::string imap_string(const std::string& text);
/// "(\Seen work)"
std::string imap_list(const std::set<std::string>& words);

}  // namespace imapfs::testing
