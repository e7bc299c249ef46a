#pragma once
// One connection of an ImapServer as its commands see it: what the client has asked for so far, and how it is answered.
//
// Answers are kept back until the command has ended, flush() or line(). One thread. An end of the connection shows in
// line() and next_command(), which have nothing then.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "imap_account.hpp"
#include "imap_log.hpp"
#include "imap_stream.hpp"
#include "imap_view.hpp"

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
  /// What this client knows of it.
  [[nodiscard]] ImapView& view() { return view_; }
  [[nodiscard]] const ImapView& view() const { return view_; }
  /// All that the client has not been told yet.
  void tell_news();
  /// Waits for a line of the client; what is new meanwhile is told at once.
  std::optional<std::string> idle();

  std::set<std::string> enabled;  ///< by ENABLE
  bool tells_modseq = false;      ///< once CONDSTORE was asked for in any way

 private:
  [[nodiscard]] std::optional<std::vector<std::string>> arguments(std::string text);

  ImapStream& stream_;
  ImapAccount& account_;
  ImapLog& log_;
  const int number_;
  const int woken_;
  bool ended_ = false;
  std::string output_;
  ImapView view_;
};

}  // namespace imapfs::testing
