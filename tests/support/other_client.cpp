#include "other_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <sstream>
#include <stdexcept>

namespace imapfs::testing {
namespace {

constexpr int patience_seconds = 60;

int connect_to(std::uint16_t port) {
  const int number = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{patience_seconds, 0};
  ::setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(number, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(number);
    throw std::runtime_error("the other client cannot connect");
  }
  return number;
}

/// "{123}" at the end of a line: 123; else -1.
long literal_length(const std::string& line) {
  const auto open = line.rfind('{');
  if (line.empty() || line.back() != '}' || open == std::string::npos) return -1;
  return std::stol(line.substr(open + 1));
}

/// What stands between `before` and the next `after`; empty if there is none.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const auto start = text.find(before);
  if (start == std::string::npos) return {};
  const auto from = start + before.size();
  return text.substr(from, text.find(after, from) - from);
}

std::int64_t internal_date(const std::string& text) {
  std::tm time{};
  const char* rest = ::strptime(text.c_str(), "%d-%b-%Y %H:%M:%S ", &time);
  if (rest == nullptr) return -1;
  const int zone = std::stoi(rest);
  return ::timegm(&time) - (zone / 100 * 3600 + zone % 100 * 60);
}

ServerMessage parse_message(const std::string& row) {
  const auto header_end = row.find("\r\n");
  const std::string items = row.substr(0, header_end);
  ServerMessage message;
  message.uid = static_cast<std::uint32_t>(std::stoul(between(items, "UID ", " ")));
  message.internal_date = internal_date(between(items, "INTERNALDATE \"", "\""));
  std::istringstream words(between(items, "FLAGS (", ")"));
  for (std::string word; words >> word;)
    if (word != "\\Recent") message.flags.push_back(word);
  std::sort(message.flags.begin(), message.flags.end());
  const long length = literal_length(items);
  if (length > 0) message.body = row.substr(header_end + 2, static_cast<std::size_t>(length));
  return message;
}

}  // namespace

bool ServerMessage::has(const std::string& flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

OtherClient::OtherClient(const Dovecot& dovecot) : socket_(connect_to(dovecot.imap_port())) {
  line();
  command("LOGIN anna " + imap_quoted(dovecot.password()));
}

OtherClient::~OtherClient() { ::close(socket_); }

std::string OtherClient::line() {
  while (true) {
    const auto end = input_.find("\r\n");
    if (end != std::string::npos) {
      std::string text = input_.substr(0, end);
      input_.erase(0, end + 2);
      return text;
    }
    octets(0);
  }
}

/// `count` octets of input; 0: waits for more and takes nothing.
std::string OtherClient::octets(std::size_t count) {
  do {
    if (count > 0 && input_.size() >= count) break;
    std::array<char, 65536> buffer;
    const auto got = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (got <= 0) throw std::runtime_error("the server has left the other client");
    input_.append(buffer.data(), static_cast<std::size_t>(got));
  } while (count > 0);
  std::string text = input_.substr(0, count);
  input_.erase(0, count);
  return text;
}

std::string OtherClient::response() {
  std::string text = line();
  for (long length = literal_length(text); length >= 0; length = literal_length(text.substr(text.rfind('\n') + 1))) {
    text += "\r\n";
    if (length > 0) text += octets(static_cast<std::size_t>(length));
    const std::string rest = line();
    text += rest;
    if (literal_length(rest) < 0) break;
  }
  return text;
}

void OtherClient::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) throw std::runtime_error("the server has left the other client");
    sent += static_cast<std::size_t>(count);
  }
}

std::string OtherClient::try_command(const std::string& text) {
  const std::string tag = "t" + std::to_string(++commands_);
  send(tag + " " + text + "\r\n");
  std::string all;
  while (true) {
    const std::string next = response();
    all += next + "\r\n";
    if (next.starts_with(tag + " ")) return all;
  }
}

std::string OtherClient::command(const std::string& text) {
  const std::string answer = try_command(text);
  if (answer.find("t" + std::to_string(commands_) + " OK") == std::string::npos)
    throw std::runtime_error(text.substr(0, 100) + ": " + answer);
  return answer;
}

void OtherClient::append(const std::string& mailbox, const std::string& message, const std::string& flags,
                         const std::string& date) {
  std::string text = "APPEND " + imap_quoted(mailbox) + " (" + flags + ")";
  if (!date.empty()) text += " \"" + date + "\"";
  command(text + " {" + std::to_string(message.size()) + "+}\r\n" + message);
}

std::vector<ServerMessage> OtherClient::messages(const std::string& mailbox, bool with_body) {
  command("EXAMINE " + imap_quoted(mailbox));
  const std::string tag = "t" + std::to_string(++commands_) + " ";
  send(tag + "UID FETCH 1:* (FLAGS INTERNALDATE" + (with_body ? " BODY.PEEK[]" : "") + ")\r\n");
  std::vector<ServerMessage> all;
  while (true) {
    const std::string next = response();
    if (next.starts_with(tag)) break;
    // Rows without a UID are news of what was there before.
    if (next.find(" FETCH (UID ") != std::string::npos) all.push_back(parse_message(next));
  }
  std::sort(all.begin(), all.end(), [](const auto& left, const auto& right) { return left.uid < right.uid; });
  command("UNSELECT");
  return all;
}

std::vector<ServerMessage> OtherClient::living(const std::string& mailbox) {
  auto all = messages(mailbox);
  std::erase_if(all, [](const ServerMessage& message) { return message.deleted(); });
  return all;
}

bool OtherClient::exists(const std::string& mailbox) {
  return try_command("STATUS " + imap_quoted(mailbox) + " (UIDNEXT)").find("* STATUS") != std::string::npos;
}

std::uint32_t OtherClient::ever(const std::string& mailbox) {
  const auto answer = command("STATUS " + imap_quoted(mailbox) + " (UIDNEXT)");
  return static_cast<std::uint32_t>(std::stoul(between(answer, "UIDNEXT ", ")"))) - 1;
}

std::string imap_quoted(const std::string& name) {
  std::string out = "\"";
  for (const char character : name) {
    if (character == '"' || character == '\\') out += '\\';
    out += character;
  }
  return out + '"';
}

std::string with_crlf(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

}  // namespace imapfs::testing
