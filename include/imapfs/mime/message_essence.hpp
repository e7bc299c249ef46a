#pragma once
// What of a message stays the same on servers that add header fields to what they are given, or write its lines with
// other ends: every line of its header, and the text behind it. Streamed, one thread; memory for the header
// and a few KiB only.

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
  /// Nothing can be taken after it.
  void finish();
  /// Whether `other` is this message with at most fields added, and other line ends. False for a header of more than
  /// 1 MiB. Both are finished.
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
  std::size_t line_ends_ = 0;  ///< of the text, that count only if something follows
  std::string text_;           ///< for the digest
  ContentDigest digest_;
  std::string digest_of_text_;
};

}  // namespace imapfs::mime
