#pragma once
// Tells one content from another by its SHA-256. Streamed, in constant memory; one thread.

#include <memory>
#include <span>
#include <string>

namespace imapfs::mime {

class ContentDigest {
 public:
  ContentDigest();
  ~ContentDigest();
  ContentDigest(const ContentDigest&) = delete;
  ContentDigest& operator=(const ContentDigest&) = delete;

  void take(std::span<const char> octets);
  /// The digest of all bytes taken, in hexadecimal. Nothing can be taken afterwards.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace imapfs::mime
