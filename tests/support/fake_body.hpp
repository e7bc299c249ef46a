#pragma once
// A message's bytes without a server. Any thread.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "imapfs/sync/body_reader.hpp"
#include "length_proof.hpp"

namespace imapfs::testing {

/// The text in an anonymous file. With a proof that is not given yet: what ends below the told length can be read.
class FakeBody : public sync::Body {
 public:
  FakeBody(const std::string& text, bool whole, std::shared_ptr<LengthProof> proof = nullptr)
      : length_(text.size()), whole_(whole), proof_(std::move(proof)) {
    const int descriptor = ::memfd_create("body", MFD_CLOEXEC);
    for (std::size_t written = 0; written < text.size();) {
      const auto count = ::write(descriptor, text.data() + written, text.size() - written);
      if (count <= 0) break;
      written += static_cast<std::size_t>(count);
    }
    file_ = std::shared_ptr<int>(new int(descriptor), [](int* file) {
      ::close(*file);
      delete file;
    });
  }

  [[nodiscard]] std::uint64_t length() const override { return length_is_proved() ? length_ : proof_->told(); }
  [[nodiscard]] bool length_is_proved() const override { return !proof_ || proof_->given(); }
  [[nodiscard]] bool whole() const override { return whole_; }
  void read(std::uint64_t offset, std::size_t length, Completion<sync::BodySlice> done) override {
    if (!length_is_proved() && offset + length >= proof_->told()) {
      return proof_->when_given([this, offset, length, done = std::move(done)] { read(offset, length, done); });
    }
    const auto present = offset < length_ ? std::min<std::uint64_t>(length, length_ - offset) : 0;
    done(sync::BodySlice{*file_, offset, static_cast<std::size_t>(present), file_});
  }

 private:
  std::uint64_t length_;
  bool whole_;
  std::shared_ptr<LengthProof> proof_;
  std::shared_ptr<int> file_;
};

}  // namespace imapfs::testing
