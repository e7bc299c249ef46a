#pragma once
// The part of a message that survives servers which add header fields or change line ends: the set of its header lines,
// and its text. Streamed, one thread; memory for the header and for 64 KiB of text.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "imapfs/mime/content_digest.hpp"

namespace imapfs::mime {

class MessageEssence {
 public:
  void take(std::span<const char> octets);
  /// Nothing can be taken afterwards.
  void finish();
  /// Whether `other` is this message, at most with added fields and other line ends. False if a header is longer than 1
  /// MiB. Both must be finished.
  [[nodiscard]] bool is_in(const MessageEssence& other) const;

 private:
  void take_line_end();
  void take_text(std::string_view text);
  void add_to_digest(char octet);

  std::vector<std::string> header_;  ///< sorted by finish()
  std::string line_;
  std::size_t header_octets_ = 0;
  bool in_text_ = false;
  bool after_carriage_return_ = false;
  std::size_t line_ends_ = 0;  ///< at the end of the text so far; they count only if text follows
  std::string text_;           ///< not yet in the digest
  ContentDigest digest_;
  std::string digest_of_text_;
};

}  // namespace imapfs::mime
