// The wire limit: how long one UID FETCH takes for a client that only counts octets, on the transport imapfs uses.
// Prints JSON.
//
//   wire_count --host=H --port=N --user=U --password-file=F [--ca-file=F | --plain] [--compress] [--mailbox=INBOX]
//              [--uids=1:4294967295] [--repeat=3]
//              [--bodies | --fields="DATE FROM SUBJECT MESSAGE-ID" | --items="UID FLAGS"]

#include <array>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "imap/wire/transport.hpp"
#include "imapfs/net/tls_stream.hpp"
#include "response_scanner.hpp"

namespace imapfs::bench {
namespace {

using Options = std::map<std::string, std::string>;

constexpr auto patience = std::chrono::minutes(30);

Result<Options> parse_options(int count, char** words) {
  Options options{{"mailbox", "INBOX"},
                  {"uids", "1:4294967295"},
                  {"repeat", "1"},
                  {"port", "993"},
                  {"fields", "DATE FROM SUBJECT MESSAGE-ID"}};
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with("--")) return fail(EINVAL, "unknown argument {}", word);
    const auto equals = std::min(word.find('='), word.size());
    options[std::string(word.substr(2, equals - 2))] = equals < word.size() ? word.substr(equals + 1) : "yes";
  }
  for (const auto* needed : {"host", "user", "password-file"})
    if (!options.contains(needed)) return fail(EINVAL, "--{} is missing", needed);
  return options;
}

std::string quoted_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

Result<std::string> read_password(const std::string& path) {
  std::ifstream file(path);
  std::string password;
  if (!std::getline(file, password)) return fail(ENOENT, "cannot read {}", path);
  return password;
}

/// What the FETCH asks for.
std::string items(const Options& options) {
  if (options.contains("bodies")) return "BODY.PEEK[]";
  if (options.contains("items")) return options.at("items");
  return "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (" + options.at("fields") + ")]";
}

class Connection {
 public:
  static Result<Connection> open(const Options& options) {
    const auto context = CallContext::within(std::chrono::seconds(30));
    const net::Endpoint endpoint{options.at("host"), static_cast<std::uint16_t>(std::stoul(options.at("port")))};
    auto stream = IMAPFS_TRY(net::connect_tcp(endpoint, context));
    if (!options.contains("plain")) {
      net::TlsSettings tls;
      if (options.contains("ca-file")) tls.ca_file = options.at("ca-file");
      stream = IMAPFS_TRY(net::start_tls(std::move(stream), endpoint.host, tls, context));
    }
    return Connection(std::move(stream));
  }

  /// Sends a command and reads to its tagged answer. EPROTO when that is not OK. The greeting is read with the first
  /// answer.
  Result<ResponseScanner> run(const std::string& command) {
    const auto context = CallContext::within(patience);
    const std::string tag = "w" + std::to_string(++commands_);
    IMAPFS_TRY(transport_->write(tag + " " + command + "\r\n", context));
    ResponseScanner scanner(tag);
    for (;;) {
      const auto size = IMAPFS_TRY(transport_->read(buffer_, context));
      if (scanner.feed(std::span(buffer_).first(size))) break;
    }
    if (!scanner.ok()) return fail(EPROTO, "{}", scanner.answer());
    return scanner;
  }

  /// Every octet from here on is counted as it is before DEFLATE. The server waits for the next command, so nothing was
  /// read ahead.
  Result<void> start_compression() {
    IMAPFS_TRY(run("COMPRESS DEFLATE"));
    return transport_->start_compression({}, nullptr);
  }

  [[nodiscard]] std::string transport() const { return transport_->description(); }

 private:
  explicit Connection(std::unique_ptr<net::ByteStream> stream)
      : transport_(std::make_unique<imap::Transport>(std::move(stream))), buffer_(64 * 1024) {}

  std::unique_ptr<imap::Transport> transport_;
  std::vector<char> buffer_;
  int commands_ = 0;
};

Result<nlohmann::json> measure(const Options& options) {
  auto connection = IMAPFS_TRY(Connection::open(options));
  const auto password = IMAPFS_TRY(read_password(options.at("password-file")));
  IMAPFS_TRY(connection.run("LOGIN " + quoted_string(options.at("user")) + " " + quoted_string(password)));
  if (options.contains("compress")) IMAPFS_TRY(connection.start_compression());
  IMAPFS_TRY(connection.run("EXAMINE " + quoted_string(options.at("mailbox"))));
  const auto command = "UID FETCH " + options.at("uids") + " (" + items(options) + ")";
  auto runs = nlohmann::json::array();
  for (unsigned long i = 0; i < std::stoul(options.at("repeat")); ++i) {
    const auto start = SteadyClock::now();
    const auto answer = IMAPFS_TRY(connection.run(command));
    const std::chrono::duration<double> seconds = SteadyClock::now() - start;
    runs.push_back({{"bytes", answer.octets()}, {"responses", answer.untagged()}, {"seconds", seconds.count()}});
  }
  return nlohmann::json{{"command", command}, {"transport", connection.transport()}, {"runs", std::move(runs)}};
}

int run(int count, char** words) {
  const auto options = parse_options(count, words);
  const auto report = options ? measure(*options) : Result<nlohmann::json>(fail(Error(options.error())));
  if (!report) {
    std::cerr << "wire_count: " << report.error().what << '\n';
    return options ? 1 : 2;
  }
  std::cout << report->dump(2) << '\n';
  return 0;
}

}  // namespace
}  // namespace imapfs::bench

int main(int argc, char** argv) {
  try {
    return imapfs::bench::run(argc, argv);
  } catch (const std::exception& error) {  // a number that is none
    std::cerr << "wire_count: " << error.what() << '\n';
    return 2;
  }
}
