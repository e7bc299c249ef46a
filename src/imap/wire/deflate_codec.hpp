#pragma once
// Raw DEFLATE in both directions as RFC 4978 wants it: every write is flushed, so the peer can answer at once.
//
// Memory is bounded: one input buffer and one output buffer, however much the input expands. Errors: EIO, scope
// session.

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

  /// Gives compressed bytes; only when decompress() has returned 0. The bytes are copied.
  void feed(std::string_view compressed);
  /// Fills `buffer` with what can be had; 0: more compressed input is needed.
  Result<std::size_t> decompress(std::span<char> buffer);

 private:
  struct Streams;
  std::unique_ptr<Streams> streams_;
  std::string input_;
};

}  // namespace imapfs::imap
