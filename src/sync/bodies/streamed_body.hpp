#pragma once
// The Body of a message that is, or was when it was opened, still being received.

#include <memory>
#include <utility>

#include "sync/bodies/download.hpp"

namespace imapfs::sync {

class StreamedBody : public Body {
 public:
  explicit StreamedBody(std::shared_ptr<Download> transfer) : transfer_(std::move(transfer)) {
    transfer_->attach(&stream_);
  }
  ~StreamedBody() override { transfer_->detach(&stream_); }
  StreamedBody(const StreamedBody&) = delete;
  StreamedBody& operator=(const StreamedBody&) = delete;

  [[nodiscard]] std::uint64_t length() const override { return transfer_->length(); }
  [[nodiscard]] bool length_is_proved() const override { return transfer_->length_is_proved(); }
  [[nodiscard]] bool whole() const override { return transfer_->whole(); }
  void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) override {
    // `done` may drop the last reference to this Body.
    const auto transfer = transfer_;
    transfer->read(stream_, offset, length, std::move(done));
  }

 private:
  const std::shared_ptr<Download> transfer_;
  ReadStream stream_;  ///< guarded by the transfer's mutex
};

}  // namespace imapfs::sync
