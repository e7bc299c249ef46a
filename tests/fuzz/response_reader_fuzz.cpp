// The input is what a server sends to a logged-in client: its first octet chooses the command, the rest is the answer.
// The reader's tokens are walked over the same octets too. Whatever it is: no crash, no hang, no growth.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "imap/login/login.hpp"
#include "imap/wire/response_reader.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace {

using namespace imapfs;
using namespace imapfs::imap;

constexpr std::size_t small_line = 4096;  // so that the bound is met often

/// Gives the greeting and the input, in pieces whose lengths vary; swallows what is written.
class InputStream final : public net::ByteStream {
 public:
  explicit InputStream(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(std::span<char> buffer, const CallContext&) override {
    piece_ = piece_ % 61 + 7;
    const auto count = std::min({buffer.size(), text_.size() - given_, piece_});
    std::memcpy(buffer.data(), text_.data() + given_, count);
    given_ += count;
    return count;
  }
  Result<void> write(std::span<const char>, const CallContext&) override { return {}; }
  Result<void> wait_readable(const CallContext&) override { return {}; }
  [[nodiscard]] std::string description() const override { return "input"; }

 private:
  std::string text_;
  std::size_t given_ = 0;
  std::size_t piece_ = 0;
};

class DeafListener final : public UntaggedListener {
 public:
  void on_exists(std::uint32_t) override {}
  void on_expunge() override {}
  void on_vanished(const UidSet&) override {}
  void on_fetch(const FetchRow&) override {}
  void on_status(const WireName&, const MailboxStatus&) override {}
  void on_mailbox_list_changed() override {}
};

class DeafSink final : public BodySink {
 public:
  Result<void> begin(std::uint64_t) override { return {}; }
  Result<void> data(std::span<const char>) override { return {}; }
};

/// Asks for two sets.
class DeafSetSink final : public BodySetSink {
 public:
  UidSet next_set() override { return sets_++ < 2 ? UidSet::range(Uid{5 * sets_}, Uid{5 * sets_ + 4}) : UidSet(); }
  Result<void> begin(Uid, std::uint64_t) override { return {}; }
  Result<void> data(std::span<const char>) override { return {}; }
  Result<void> end() override { return {}; }
  void answered(std::size_t) override {}

 private:
  std::uint32_t sets_ = 0;
};

void use_session(std::uint8_t choice, std::string_view input) {
  AccountSettings settings;
  settings.endpoint = {"fuzz.example.org", 993};
  settings.user = "fuzz";
  settings.max_line = small_line;
  settings.password = [](const CallContext&) { return Result<std::string>("secret"); };
  const CallContext context;
  std::string text =
      "* PREAUTH [CAPABILITY IMAP4rev1 IDLE NAMESPACE QUOTA CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS ESEARCH NOTIFY] hi\r\n"
      "F1 OK\r\n";
  text += input;
  auto opened = login_session(std::make_unique<InputStream>(std::move(text)), settings, context);
  if (!opened) return;
  auto& session = **opened;
  DeafListener listener;
  session.set_listener(&listener);
  Session::SelectRequest request;
  request.mailbox = "INBOX";
  if (!session.select(request, context)) return;  // answered by the "F1 OK" above
  DeafSink head;
  DeafSink tail;
  Session::FetchRequest rows;
  rows.uids = UidSet::range(Uid{1}, Uid{100});
  rows.items.flags = rows.items.size = rows.items.internal_date = true;
  request.qresync = QresyncState{UidValidity{1}, ModSeq{1}};
  request.rows = [](const FetchRow&) {};
  request.vanished = [](const UidSet&) {};
  switch (choice % 12) {
    case 0: (void)session.select(request, context); break;
    case 1:
      (void)session.fetch(
          rows, [](const FetchRow&) {}, context);
      break;
    case 2: (void)session.fetch_body(Uid{5}, {}, head, context); break;
    case 3: (void)session.fetch_head_and_tail(Uid{5}, 10, {20, 10}, head, tail, context); break;
    case 4: (void)session.list("", context); break;
    case 5: (void)session.search("ALL", context); break;
    case 6: (void)session.idle(std::chrono::seconds(60), context); break;
    case 7: (void)session.namespaces(context); break;
    case 8: (void)session.quota("INBOX", context); break;
    case 9: (void)session.status("INBOX", context); break;
    case 10: {
      DeafSetSink bodies;
      (void)session.fetch_bodies(bodies, std::chrono::seconds(60), context);
      break;
    }
    default: (void)session.noop(context); break;
  }
  (void)session.noop(context);
}

/// The login itself, with everything the server can say there.
void log_in(std::string_view input) {
  AccountSettings settings;
  settings.endpoint = {"fuzz.example.org", 993};
  settings.user = "fuzz";
  settings.max_line = small_line;
  settings.password = [](const CallContext&) { return Result<std::string>("secret"); };
  (void)login_session(std::make_unique<InputStream>(std::string(input)), settings, CallContext{});
}

void walk_tokens(std::string_view input) {
  Transport transport(std::make_unique<InputStream>(std::string(input)));
  ResponseReader reader(transport, small_line);
  const CallContext context;
  reader.set_context(context);
  std::string storage;
  while (reader.next()) {
    while (!reader.at_end()) {
      const auto before = reader.rest().size();
      if (!reader.string(storage, 100)) return;
      reader.skip_spaces();
      if (reader.rest().size() == before && !reader.skip_value()) return;
      if (reader.peek() == ')') reader.skip(1);
    }
    if (!reader.finish()) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  telemetry::LogSettings quiet;
  quiet.level = telemetry::Level::off;
  (void)telemetry::configure(quiet);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 13 == 12) {
    log_in(input);
  } else if (data[0] % 13 == 11) {
    walk_tokens(input);
  } else {
    use_session(data[0] % 13, input);
  }
  return 0;
}
