#pragma once
// A command to send: words, and strings that are quoted or sent as literals. Refuses everything that could end the line
// early.
//
// A string is quoted. With 8-bit bytes it is sent as a literal, unless UTF8=ACCEPT allows it in quotes. CR, LF and NUL
// are refused wherever they come from (EINVAL): in a mailbox name they would begin a second command. A value; no thread
// affinity.

#include <string>
#include <string_view>
#include <vector>

#include "imapfs/base/result.hpp"

namespace imapfs::imap {

class CommandLine {
 public:
  /// `name` is the name for error_from_answer() and logs: "SELECT", "UID FETCH".
  explicit CommandLine(std::string_view name, bool quoted_utf8 = false)
      : name_(name), quoted_utf8_(quoted_utf8), pieces_(1, std::string(name)) {}

  /// Appends text verbatim after a space.
  CommandLine& word(std::string_view text);
  /// Appends text verbatim without a space.
  CommandLine& text(std::string_view text);
  /// Appends a quoted string or a literal after a space.
  CommandLine& string(std::string_view value);

  /// EINVAL if a part of it cannot be sent.
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Text, literal, text, literal, …, text.
  [[nodiscard]] const std::vector<std::string>& pieces() const { return pieces_; }
  /// For logs: shows literals as quoted strings.
  [[nodiscard]] std::string printable() const;

 private:
  std::string name_;
  bool quoted_utf8_;
  std::vector<std::string> pieces_;
};

}  // namespace imapfs::imap
