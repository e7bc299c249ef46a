#pragma once
// What tells one content from another: its SHA-256. Streamed, in constant memory; one thread.

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
  /// In hexadecimal, of all that was taken; nothing can be taken after it.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace imapfs::mime
