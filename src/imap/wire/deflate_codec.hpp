#pragma once
// Raw DEFLATE in both directions (RFC 4978). Every write is flushed, so that the peer can answer at once.
//
// Memory is bounded: one input and one output buffer, however much the input expands. Errors: EIO, scope session.

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "imapfs/base/result.hpp"

namespace imapfs::imap {

class DeflateCodec {
 public:
  DeflateCodec();
  ~DeflateCodec();
  DeflateCodec(const DeflateCodec&) = delete;
  DeflateCodec& operator=(const DeflateCodec&) = delete;

  [[nodiscard]] bool valid() const;
  Result<std::string> compress(std::string_view plain);

  /// Copies compressed bytes. Call it only when decompress() has returned 0.
  void feed(std::string_view compressed);
  /// Fills `buffer` with decompressed bytes; 0: more compressed input is needed.
  Result<std::size_t> decompress(std::span<char> buffer);

 private:
  struct Streams;
  std::unique_ptr<Streams> streams_;
  std::string input_;
};

}  // namespace imapfs::imap
