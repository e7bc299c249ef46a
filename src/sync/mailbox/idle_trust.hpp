#pragma once
// Whether the server's IDLE can be relied on: some servers take IDLE and say nothing, whatever comes.
//
// A watch is trusted once it has told of a change before anybody else; a poll that finds what the watch did not tell
// ends that. Any thread; no lock.

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sync/mailbox/mailbox.hpp"

namespace imapfs::sync {

class IdleTrust {
 public:
  /// The watch of the mailbox has told of a change before anybody else.
  void heard(const MailboxPointer& mailbox);
  /// A poll that began when the watch had told so much (Activity::told) has ended; `found`: with something new.
  void polled(const MailboxPointer& mailbox, std::uint64_t told_before, bool found);
  /// For /.imapfs/status: "unproved", "tells" or "silent".
  [[nodiscard]] std::string_view text() const;

 private:
  enum class Idle : std::uint8_t { unproved, heard, silent };
  std::atomic<Idle> idle_{Idle::unproved};
};

}  // namespace imapfs::sync
