#pragma once
// The Body of a message that is being received, or was when it was opened. Keeps the download alive. Any thread.

#include <memory>
#include <utility>

#include "sync/bodies/download.hpp"

namespace imapfs::sync {

class StreamedBody : public Body {
 public:
  explicit StreamedBody(std::shared_ptr<Download> download) : download_(std::move(download)) {
    download_->add_stream(&stream_);
  }
  ~StreamedBody() override { download_->remove_stream(&stream_); }
  StreamedBody(const StreamedBody&) = delete;
  StreamedBody& operator=(const StreamedBody&) = delete;

  [[nodiscard]] std::uint64_t length() const override { return download_->body().length(); }
  [[nodiscard]] bool length_is_proved() const override { return download_->body().length_is_proved(); }
  [[nodiscard]] bool whole() const override { return download_->body().whole(); }
  void read(std::uint64_t offset, std::size_t length, Completion<BodySlice> done) override {
    // `done` may drop the last reference to this Body.
    const auto download = download_;
    download->read(stream_, offset, length, std::move(done));
  }

 private:
  const std::shared_ptr<Download> download_;
  ReadStream stream_;  ///< guarded by the download's mutex
};

}  // namespace imapfs::sync
