#pragma once
// libetpan over a CommandChannel: its stream driver, and the guard in front of it.
//
// libetpan crashes, grows and hangs on hostile servers, so it never reads from one. It gets, one at a time, the
// untagged responses that its command expects (rewritten or checked: length, nesting, number range, NUL),
// continuations, and a tagged line that the link writes itself after it has read the server's. The channel handles
// everything else. The greeting is synthetic. libetpan gets no byte after the tagged line, so nothing remains in its
// buffers. One thread at a time.

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <libetpan/libetpan.h>

#include "imap/wire/command_channel.hpp"

namespace imapfs::imap {

class EtpanLink {
 public:
  explicit EtpanLink(CommandChannel& channel);
  /// Sends nothing to the server.
  ~EtpanLink();
  EtpanLink(const EtpanLink&) = delete;
  EtpanLink& operator=(const EtpanLink&) = delete;

  /// Gives libetpan a synthetic greeting.
  Result<void> connect(bool preauthenticated);

  struct Command {
    std::string_view name;                  ///< the name for error_from_answer()
    std::vector<std::string_view> expects;  ///< the untagged responses that libetpan parses: CAPABILITY, ID, NAMESPACE
    bool secret = false;                    ///< a login: never trace what is sent
  };
  /// The server's answer to the last command, if it has come.
  [[nodiscard]] const std::optional<Answer>& last_answer() const { return answer_; }
  /// Runs one libetpan function. Returns the server's OK; NO, BAD and lost connections are Errors.
  Result<Answer> call(const Command& command, const CallContext& context,
                      const std::function<int(mailimap*)>& function);

 private:
  static ssize_t read(mailstream_low* low, void* buffer, std::size_t count);
  static ssize_t write(mailstream_low* low, const void* buffer, std::size_t count);
  static int close(mailstream_low* low);
  static int get_fd(mailstream_low* low);
  static void release(mailstream_low* low);
  static void cancel(mailstream_low* low);
  static mailstream_low_driver* driver();

  ssize_t give(char* buffer, std::size_t count);
  Result<void> produce();
  Result<void> produce_untagged(const Response& response);
  Result<std::string> gather(const Response& response);
  Result<void> bound_expected();
  ssize_t send(std::string_view bytes);

  CommandChannel& channel_;
  mailimap* imap_ = nullptr;
  const Command* command_ = nullptr;
  CallContext context_;
  std::string pending_;  ///< what libetpan reads next
  std::size_t given_ = 0;
  std::size_t expected_bytes_ = 0;  ///< given to libetpan as data of its command; it keeps them
  bool begun_ = false;
  bool expected_given_ = false;
  std::string tag_;
  std::optional<Answer> answer_;
  std::optional<Error> cause_;
};

}  // namespace imapfs::imap
