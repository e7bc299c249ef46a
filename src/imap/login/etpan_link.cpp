#include "imap/login/etpan_link.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "imap/login/etpan_guard.hpp"
#include "imap/wire/response_values.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::imap {
namespace {

constexpr std::size_t stream_buffer = 8192;
/// libetpan keeps every response that its command expects, although one is enough.
constexpr std::size_t max_expected_bytes = 4 * max_guarded_response;

EtpanLink* link_of(mailstream_low* low) { return static_cast<EtpanLink*>(low->data); }

std::string joined(const std::set<std::string>& words) {
  std::string result;
  for (const auto& word : words) result += ' ' + word;
  return result;
}

/// The smallest response that satisfies a command.
std::string substitute_for(const std::vector<std::string_view>& expected) {
  if (expected.empty()) return {};
  if (expected.front() == "ID") return "* ID NIL\r\n";
  if (expected.front() == "NAMESPACE") return "* NAMESPACE NIL NIL NIL\r\n";
  return fmt::format("* {} IMAP4rev1\r\n", expected.front());
}

}  // namespace

mailstream_low_driver* EtpanLink::driver() {
  static mailstream_low_driver table = [] {
    mailstream_low_driver made{};
    made.mailstream_read = &EtpanLink::read;
    made.mailstream_write = &EtpanLink::write;
    made.mailstream_close = &EtpanLink::close;
    made.mailstream_get_fd = &EtpanLink::get_fd;
    made.mailstream_free = &EtpanLink::release;
    made.mailstream_cancel = &EtpanLink::cancel;
    return made;
  }();
  return &table;
}

ssize_t EtpanLink::read(mailstream_low* low, void* buffer, std::size_t count) {
  return link_of(low)->give(static_cast<char*>(buffer), count);
}
ssize_t EtpanLink::write(mailstream_low* low, const void* buffer, std::size_t count) {
  return link_of(low)->send({static_cast<const char*>(buffer), count});
}
int EtpanLink::close(mailstream_low*) { return 0; }
int EtpanLink::get_fd(mailstream_low*) { return -1; }
void EtpanLink::release(mailstream_low* low) { std::free(low); }
void EtpanLink::cancel(mailstream_low*) {}

EtpanLink::EtpanLink(CommandChannel& channel) : channel_(channel) {}

EtpanLink::~EtpanLink() {
  // mailimap_free sends LOGOUT and waits for the answer. While no command runs, give() and send() refuse at once.
  command_ = nullptr;
  if (imap_ != nullptr) mailimap_free(imap_);
}

Result<void> EtpanLink::connect(bool preauthenticated) {
  imap_ = mailimap_new(0, nullptr);
  mailstream_low* low = imap_ == nullptr ? nullptr : mailstream_low_new(this, driver());
  mailstream* stream = low == nullptr ? nullptr : mailstream_new(low, stream_buffer);
  if (stream == nullptr) {
    std::free(low);
    return fail(ENOMEM, Scope::session, Retry::later, "out of memory");
  }
  imap_->is_163_workaround_enabled = 1;  // makes tags begin with a letter: Coremail refuses others
  pending_ = preauthenticated ? "* PREAUTH ready\r\n" : "* OK ready\r\n";
  given_ = 0;
  const Command greeting{"greeting", {}, false};
  command_ = &greeting;
  const int outcome = mailimap_connect(imap_, stream);
  command_ = nullptr;
  if (outcome != MAILIMAP_NO_ERROR_AUTHENTICATED && outcome != MAILIMAP_NO_ERROR_NON_AUTHENTICATED) {
    return fail(EIO, Scope::session, Retry::now, "libetpan refused the connection (error {})", outcome);
  }
  return {};
}

Result<Answer> EtpanLink::call(const Command& command, const CallContext& context,
                               const std::function<int(mailimap*)>& function) {
  answer_.reset();
  IMAPFS_TRY(channel_.usable());
  if (imap_ == nullptr) return fail(EIO, Scope::session, Retry::now, "not connected");
  IMAPFS_TRY(context.check());  // cancelling is free before anything is sent
  command_ = &command;
  context_ = context;
  pending_.clear();
  given_ = 0;
  begun_ = false;
  expected_given_ = false;
  expected_bytes_ = 0;
  cause_.reset();
  const int outcome = function(imap_);
  command_ = nullptr;
  if (cause_) return fail(channel_.broken_by(std::move(*cause_)));
  if (!answer_) {
    return fail(channel_.broken_by(
        Error{EIO, Scope::session, Retry::now, fmt::format("{}: libetpan gave up (error {})", command.name, outcome)}));
  }
  if (answer_->kind == Answer::Kind::ok) return *answer_;
  return fail(channel_.broken_by(error_from_answer(command.name, *answer_)));
}

ssize_t EtpanLink::send(std::string_view bytes) {
  if (command_ == nullptr || cause_) return -1;
  if (!begun_) {
    begun_ = true;
    tag_ = bytes.substr(0, bytes.find(' '));
    channel_.begin(tag_, context_);
  }
  if (command_->secret) {
    telemetry::trace(telemetry::Category::imap, "> {} <redacted>", command_->name);
  } else {
    telemetry::trace(telemetry::Category::imap, "> {}", telemetry::redact(bytes.substr(0, bytes.find('\r'))));
  }
  if (auto written = channel_.write(bytes, context_); !written) {
    cause_ = std::move(written).error();
    return -1;
  }
  return static_cast<ssize_t>(bytes.size());
}

ssize_t EtpanLink::give(char* buffer, std::size_t count) {
  // -1 at the end too: on 0 libetpan spins.
  if (command_ == nullptr || cause_ || count == 0) return -1;
  if (given_ == pending_.size()) {
    if (answer_) return -1;
    pending_.clear();
    given_ = 0;
    if (auto produced = produce(); !produced) {
      cause_ = std::move(produced).error();
      return -1;
    }
  }
  const auto length = std::min(count, pending_.size() - given_);
  std::memcpy(buffer, pending_.data() + given_, length);
  given_ += length;
  return static_cast<ssize_t>(length);
}

/// Fills pending_ with what libetpan may read next.
Result<void> EtpanLink::produce() {
  while (pending_.empty()) {
    const auto response = IMAPFS_TRY(channel_.next_response());
    auto& reader = channel_.reader();
    if (response.kind == Response::Kind::untagged) {
      IMAPFS_TRY(produce_untagged(response));
    } else if (response.kind == Response::Kind::continuation) {
      const auto text = reader.rest();
      if (text.size() > max_guarded_response || text.find('\0') != std::string_view::npos) {
        return fail(reader.protocol_error("continuation too long"));
      }
      pending_ = fmt::format("+ {}\r\n", text);
      IMAPFS_TRY(reader.finish());
    } else {
      answer_ = IMAPFS_TRY(channel_.tagged_answer(response));
      // The caller gets the answer from us. libetpan is told of a refusal only if its own state depends on it (login):
      // otherwise it leaks the refused response.
      const bool ok = answer_->kind == Answer::Kind::ok || !command_->secret;
      // Without the data that its command expects, libetpan reads through a null pointer.
      if (!expected_given_) pending_ = substitute_for(command_->expects);
      pending_ += fmt::format("{} {} done\r\n", tag_, ok ? "OK" : "NO");
    }
  }
  return {};
}

Result<void> EtpanLink::produce_untagged(const Response& response) {
  const bool expected = std::find(command_->expects.begin(), command_->expects.end(), response.name) !=
                        command_->expects.end();
  if (!expected) return channel_.take_untagged(response, nullptr);
  const UntaggedHandler gatherer = [this](const Response& row, ResponseReader&) -> Result<bool> {
    if (row.is("CAPABILITY") || row.is("ENABLED")) {
      // Rewritten from the words that can be capabilities; the channel keeps its own copy.
      const auto words = parse_capability_words(channel_.reader().rest());
      if (!words.empty()) pending_ = fmt::format("* {}{}\r\n", row.name, joined(words));
      return false;
    }
    const auto whole = IMAPFS_TRY(gather(row));
    if (harmless(whole)) {
      pending_ = whole + "\r\n";
    } else {
      telemetry::debug("imap: dropped a malformed {} response", row.name);
    }
    return true;
  };
  IMAPFS_TRY(channel_.take_untagged(response, gatherer));
  expected_given_ = expected_given_ || !pending_.empty();
  return bound_expected();
}

Result<void> EtpanLink::bound_expected() {
  expected_bytes_ += pending_.size();
  if (expected_bytes_ <= max_expected_bytes) return {};
  auto error = channel_.reader().protocol_error(fmt::format("{} answered without end", command_->name));
  error.retry = Retry::never;
  return fail(std::move(error));
}

/// The response and its literals as one text. A text over the limit stays over it, and is then refused.
Result<std::string> EtpanLink::gather(const Response& response) {
  auto& reader = channel_.reader();
  std::string whole = fmt::format("* {} ", response.name);
  while (whole.size() <= max_guarded_response) {
    // A literal is always at the end of a line: skip tokens up to it.
    while (!reader.at_end() && !reader.at_literal()) {
      if (reader.peek() == '"') {
        std::string storage;
        const auto text = reader.quoted(storage);
        whole += '"';
        for (const char c : text) {
          if (c == '"' || c == '\\') whole += '\\';
          whole += c;
        }
        whole += '"';
      } else {
        whole += reader.peek();
        reader.skip(1);
      }
    }
    if (reader.at_end()) break;
    const auto length = IMAPFS_TRY(reader.begin_literal());
    if (length > max_guarded_response) {
      whole.resize(max_guarded_response + 1, ' ');
      IMAPFS_TRY(reader.end_literal());
      break;
    }
    // Rewrite the literal as a quoted string: libetpan takes both, and the text then passes the same guard.
    whole += '"';
    while (true) {
      const auto piece = IMAPFS_TRY(reader.literal_piece());
      if (piece.empty()) break;
      for (const char c : piece) {
        if (c == '"' || c == '\\') whole += '\\';
        whole += c == '\r' || c == '\n' ? ' ' : c;
      }
    }
    whole += '"';
    IMAPFS_TRY(reader.end_literal());
  }
  return whole;
}

}  // namespace imapfs::imap
