#pragma once
// COMPRESS=DEFLATE (RFC 4978) on one connection: begun at the login or later, as the account's CompressionChoice says,
// and told what bulk transfers get. A connection that is compressed stays so.
//
// A refusal is remembered, and the connection goes on plain. One thread; the connection outlives it.

#include <memory>

#include "imap/commands/connection.hpp"
#include "imap/wire/transfer_meter.hpp"
#include "imapfs/imap/compression_choice.hpp"
#include "imapfs/imap/server_traits.hpp"

namespace imapfs::imap {

class ConnectionCompression {
 public:
  ConnectionCompression(Connection& connection, std::shared_ptr<CompressionChoice> choice,
                        std::shared_ptr<LearnedQuirks> learned, bool offered)
      : connection_(&connection), choice_(std::move(choice)), learned_(std::move(learned)), possible_(offered) {}

  /// Whether it is to be begun as soon as no command is under way.
  [[nodiscard]] bool due() const;
  /// Begins it if it is due. No command may be under way. An Error only of the connection.
  Result<void> begin_if_due(const CallContext& context);
  /// Runs a bulk transfer and measures what it gets.
  template <class Transfer>
  Result<void> measure(Transfer transfer) {
    const Measured measured(connection_->channel.transport(), *choice_);
    return transfer();
  }

 private:
  class Measured {
   public:
    Measured(Transport& transport, CompressionChoice& choice)
        : transport_(transport),
          meter_([&transport, &choice](double rate) { choice.measured(transport.compressed(), rate); }) {
      transport.set_meter(&meter_);
    }
    ~Measured() { transport_.set_meter(nullptr); }
    Measured(const Measured&) = delete;
    Measured& operator=(const Measured&) = delete;

   private:
    Transport& transport_;
    TransferMeter meter_;
  };

  Connection* connection_;
  std::shared_ptr<CompressionChoice> choice_;
  std::shared_ptr<LearnedQuirks> learned_;
  bool possible_;  ///< offered, and not refused
};

}  // namespace imapfs::imap
