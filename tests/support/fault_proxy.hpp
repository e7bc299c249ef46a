#pragma once
// A TCP proxy on loopback between a client and a server that behaves like a bad network: slow, narrow, mute, refusing,
// cut or held at a given byte. It only sees bytes, so TLS passes through it.
//
// Thread-safe. One thread "proxy" moves the bytes; the destructor drops every connection and joins it. Memory is
// bounded by 8 MiB for each direction of a connection. The constructor throws std::runtime_error if no port can be had.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
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
    std::uint64_t cuts = 0;               ///< connections ended by cut_after() or a trap
  };

  /// Forwards to `server_port` of 127.0.0.1.
  enum class Direction : std::uint8_t { from_client, from_server };
  /// Lets `bytes` bytes pass in one direction, counted over all connections from the moment it is set, and is sprung by
  /// the last of them (0: by the next one, which does not pass).
  struct Trap {
    enum class Action : std::uint8_t { cut, hold };
    Direction direction = Direction::from_server;
    std::uint64_t bytes = 0;
    /// cut: the connection ends. hold: nothing is forwarded any more on any connection, until release().
    Action action = Action::cut;
    /// If not empty, `bytes` does not count: sprung by the first piece that holds this text, and nothing of that piece
    /// passes. A piece is what came in at once, such as the answer to a command.
    std::string at = {};
  };

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
  /// In place of any earlier one; none: what was set has no effect any more. It works once.
  void set_trap(std::optional<Trap> trap);
  /// Whether the trap set last has been sprung. Waits for at most `time`.
  [[nodiscard]] bool wait_for_trap(std::chrono::milliseconds time) const;
  /// Ends every connection and a hold. What was held is lost.
  void release();
  /// From now on, or no more: keeps what is forwarded, at most 1 MiB for each direction.
  void record(bool on);
  /// What was forwarded since record(true), over all connections in the order in which it was sent.
  [[nodiscard]] std::string recorded(Direction direction) const;
  /// Connections are accepted and nothing is forwarded. What was sent meanwhile goes on when it is switched off.
  void set_black_hole(bool on);
  /// New connections are refused (ECONNREFUSED).
  void set_refusing(bool on);
  /// Nothing more passes on the connections that stand, and nobody is told: a network that has forgotten them. New ones
  /// work.
  void silence_connections();
  /// Ends every connection.
  void drop_connections();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace imapfs::testing
