#pragma once
// A stream that gives a text in pieces of a chosen length and then ends; what is written is kept.

#include <algorithm>
#include <cstring>
#include <string>

#include "imapfs/net/byte_stream.hpp"

namespace imapfs::imap::test {

class TextStream final : public net::ByteStream {
 public:
  explicit TextStream(std::string text, std::size_t piece = 1 << 20) : text_(std::move(text)), piece_(piece) {}
  Result<std::size_t> read(std::span<char> buffer, const CallContext&) override {
    const auto count = std::min({buffer.size(), text_.size() - given_, piece_});
    std::memcpy(buffer.data(), text_.data() + given_, count);
    given_ += count;
    return count;
  }
  Result<void> write(std::span<const char> bytes, const CallContext&) override {
    written.append(bytes.data(), bytes.size());
    return {};
  }
  Result<void> wait_readable(const CallContext&) override { return {}; }
  [[nodiscard]] std::string description() const override { return "text"; }

  std::string written;

 private:
  std::string text_;
  std::size_t given_ = 0;
  std::size_t piece_;
};

}  // namespace imapfs::imap::test
