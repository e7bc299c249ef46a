// Any octets as a file that somebody stores: cut anywhere, the verdict and the converted message are the same, and the
// size that is promised to the server is the size that it is sent.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include "imapfs/mime/message_form.hpp"

namespace {

using namespace imapfs::mime;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  imapfs::Result<MessageForm> form;
  std::string converted;
};

Outcome outcome(std::span<const char> octets, std::size_t chunk, std::size_t room) {
  MessageInspector inspector;
  LineEndCanonicalizer canonicalizer;
  std::string converted;
  std::string window(room, '\0');
  while (!octets.empty()) {
    auto part = octets.first(std::min(chunk, octets.size()));
    octets = octets.subspan(part.size());
    inspector.take(part);
    while (!part.empty()) {
      std::size_t consumed = 0;
      const auto written = canonicalizer.convert(part, consumed, window);
      require(written > 0 && written <= room && consumed <= part.size());
      converted.append(window, 0, written);
      part = part.subspan(consumed);
    }
  }
  return {inspector.finish(), std::move(converted)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span<const char> octets(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = outcome(octets, octets.size() + 1, 4096);
  const auto cut = outcome(octets, data[0] % 16 + 1, data[1] % 16 + 1);
  require(whole.converted == cut.converted);
  require(whole.form.has_value() == cut.form.has_value());
  if (!whole.form) {
    require(whole.form.error().what == cut.form.error().what);
    return 0;
  }
  require(whole.form->canonical_size == whole.converted.size());
  require(whole.form->canonical_size == cut.form->canonical_size);
  require(whole.form->message_id == cut.form->message_id && whole.form->message_id.size() <= 998);
  require(whole.form->message_id.find('\n') == std::string::npos);
  require(whole.form->needs_conversion == (whole.converted.size() != octets.size()));
  require(!octets.empty() && whole.converted.find('\0') == std::string::npos);
  return 0;
}
