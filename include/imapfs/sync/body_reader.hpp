#pragma once
// Messages' bytes, as a reader sees them.
//
// Threads and completions: as in account.hpp.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"
#include "imapfs/model/types.hpp"

namespace imapfs::sync {

/// Bytes of a body: `length` bytes at `offset` of `descriptor`, kept open by `owner`. Short only at the end of the
/// message.
struct BodySlice {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::size_t length = 0;
  std::shared_ptr<const void> owner;
};

/// An open message. Thread-safe. Destroying the last reference ends fetches nobody else needs.
class Body {
 public:
  virtual ~Body() = default;
  /// The exact length, as seen on the server. Until length_is_proved(): what the server has told.
  [[nodiscard]] virtual std::uint64_t length() const = 0;
  /// False only of a body from BodyReader::open_at() whose end has not been seen yet; once true, it stays so.
  [[nodiscard]] virtual bool length_is_proved() const { return true; }
  /// True when every byte is on disk or in memory: read() completes within the call.
  [[nodiscard]] virtual bool whole() const = 0;
  /// Completes as soon as all bytes of the request that exist have arrived. May be shorter only at the end of the
  /// message. Before the length is proved, only what ends below the told length is answered, in full: anything else
  /// waits for the proof.
  virtual void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) = 0;
};

class BodyReader {
 public:
  virtual ~BodyReader() = default;

  /// Opens a message. Completes when the exact length is known (for a cached body: within the call).
  virtual void open(MailboxId mailbox, Uid uid, Completion<std::shared_ptr<Body>> done) = 0;
  /// As open(), for somebody who reads `length` bytes at `offset`: completes already when these are there and end below
  /// the size that the table shows. The length may not be proved then.
  virtual void open_at(MailboxId mailbox, Uid uid, std::uint64_t offset, std::size_t length,
                       Completion<std::shared_ptr<Body>> done) = 0;
  /// Whether open() had better wait until somebody reads: the message is known, its bytes would have to come from the
  /// server, the server can be reached, and there is no reason to doubt the size that the table shows.
  [[nodiscard]] virtual bool can_wait(MailboxId mailbox, Uid uid) const = 0;
};

}  // namespace imapfs::sync
