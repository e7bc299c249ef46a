#include "imap/commands/connection_compression.hpp"

#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {

bool ConnectionCompression::due() const {
  return possible_ && !connection_->channel.transport().compressed() && choice_->wanted();
}

Result<void> ConnectionCompression::begin_if_due(const CallContext& context) {
  if (!due()) return {};
  auto& channel = connection_->channel;
  CommandLine line("COMPRESS");
  line.word("DEFLATE");
  auto answer = connection_->runner.run(line, nullptr, context);
  if (!answer) {
    possible_ = false;
    if (answer.error().lost_connection()) return fail(std::move(answer).error());
    return {};  // [COMPRESSIONACTIVE] and the like: it goes on uncompressed
  }
  const auto note_damage = [learned = learned_] {
    telemetry::info("imap: COMPRESS=DEFLATE is broken, going on without");
    learned->add({Quirk::no_compress});
  };
  return channel.transport().start_compression(channel.reader().take_buffered(), note_damage);
}

}  // namespace imapfs::imap
