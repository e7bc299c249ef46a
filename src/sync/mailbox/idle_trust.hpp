#pragma once
// Whether the server's IDLE can be relied on: some servers accept IDLE and then report nothing.
//
// A watch is trusted once it was the first to report a change. A poll that finds what the watch did not report ends the
// trust. Any thread; no lock.

#include <atomic>
#include <cstdint>
#include <string_view>

#include "sync/mailbox/mailbox.hpp"

namespace imapfs::sync {

class IdleTrust {
 public:
  /// The watch of the mailbox was the first to report a change.
  void heard(const MailboxPointer& mailbox);
  /// A poll has ended. `told_before`: Activity::told when it began; `found`: it found something new.
  void polled(const MailboxPointer& mailbox, std::uint64_t told_before, bool found);
  /// For /.imapfs/status: "unproved", "tells" or "silent".
  [[nodiscard]] std::string_view text() const;

 private:
  enum class Idle : std::uint8_t { unproved, heard, silent };
  std::atomic<Idle> idle_{Idle::unproved};
};

}  // namespace imapfs::sync
