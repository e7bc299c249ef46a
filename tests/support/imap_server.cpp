#include "imap_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace imapfs::testing {
namespace {

int listen_on_loopback(std::uint16_t& port) {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool listens = ::bind(listening, generic, length) == 0 && ::listen(listening, 64) == 0;
  if (!listens || ::getsockname(listening, generic, &length) != 0)
    throw std::runtime_error("cannot listen on loopback");
  port = ntohs(address.sin_port);
  return listening;
}

SSL_CTX* make_context(const Credential& authority) {
  const CertificateRequest request{.common_name = "localhost", .alternative_names = "DNS:localhost"};
  const auto credential = make_credential(request, &authority);
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, credential.certificate.get());
  SSL_CTX_use_PrivateKey(context, credential.key.get());
  return context;
}

/// A write to a client that has gone is an error to be returned; OpenSSL's sockets would raise a signal.
void block_sigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

ImapServer::ImapServer(std::unique_ptr<ImapCommands> commands)
    : commands_(std::move(commands)), context_(make_context(authority_)) {
  listening_ = listen_on_loopback(port_);
  accepting_ = std::thread([this] { accept_clients(); });
}

ImapServer::~ImapServer() {
  ending_ = true;
  ::shutdown(listening_, SHUT_RDWR);
  accepting_.join();
  drop_connections();
  for (auto& connection : connections_) connection.thread.join();
  connections_.clear();
  ::close(listening_);
  SSL_CTX_free(context_);
}

std::string ImapServer::url() const { return "imaps://anna@localhost:" + std::to_string(port_); }

void ImapServer::drop_connections() {
  const std::lock_guard guard(mutex_);
  for (auto& connection : connections_) connection.stream->shut_down();
}

void ImapServer::accept_clients() {
  while (!ending_) {
    const int socket = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    const int yes = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const std::lock_guard guard(mutex_);
    auto& connection = connections_.emplace_back();
    connection.stream = std::make_unique<ImapStream>(context_, socket);
    connection.number = static_cast<int>(connections_.size());
    connection.thread = std::thread([this, &connection] { serve(connection); });
  }
}

void ImapServer::serve(Connection& connection) {
  block_sigpipe();
  auto& stream = *connection.stream;
  if (stream.handshake()) {
    ImapDialogue client(stream, account_, log_, connection.number);
    commands_->greet(client);
    while (const auto command = client.next_command()) commands_->answer(client, *command);
    client.flush();
  }
  stream.shut_down();
}

}  // namespace imapfs::testing
