#pragma once
// A TCP proxy on loopback between a client and a server that behaves like a bad network: slow, narrow, mute, refusing,
// or cut at a given byte. It only sees bytes, so TLS passes through it.
//
// Thread-safe. One thread "proxy" moves the bytes; the destructor drops every connection and joins it. Memory is
// bounded by 8 MiB for each direction of a connection. The constructor throws std::runtime_error if no port can be had.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace imapfs::testing {

class FaultProxy {
 public:
  /// What a network does to bytes that go one way.
  struct Link {
    std::chrono::milliseconds delay{0};
    std::uint64_t bytes_per_second = 0;  ///< shared by all connections; 0: no limit
  };
  struct Counters {
    std::uint64_t connections = 0;        ///< accepted
    std::uint64_t bytes_from_client = 0;  ///< forwarded to the server
    std::uint64_t bytes_from_server = 0;  ///< forwarded to the client
    std::uint64_t cuts = 0;               ///< connections ended by cut_after()
  };

  /// Forwards to `server_port` of 127.0.0.1.
  explicit FaultProxy(std::uint16_t server_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  /// The port that clients connect to, on 127.0.0.1.
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] Counters counters() const;

  /// Where in the bytes from the server, counted from the start over all connections, a piece ended that came in at
  /// once: the ends of responses, by and large. The first 4096.
  [[nodiscard]] std::vector<std::uint64_t> boundaries() const;

  void set_link(Link from_client, Link from_server);
  /// Half of it each way.
  void set_round_trip(std::chrono::milliseconds time) { set_link({time / 2, 0}, {time - time / 2, 0}); }
  /// Ends, once, the connection that has forwarded the `bytes`-th byte from the server, counted from now over all
  /// connections. None: never.
  void cut_after(std::optional<std::uint64_t> bytes);
  /// Connections are accepted and nothing is forwarded. What was sent meanwhile goes on when it is switched off.
  void set_black_hole(bool on);
  /// New connections are refused (ECONNREFUSED).
  void set_refusing(bool on);
  /// Ends every connection.
  void drop_connections();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::testing
