#pragma once
// One connection as the commands see it. One thread at a time; owns the stream.

#include <cstddef>
#include <memory>

#include "imap/login/etpan_link.hpp"
#include "imap/wire/command_runner.hpp"

namespace imapfs::imap {

/// The faces of one connection, in the order in which they must be built.
struct Connection {
  Connection(std::unique_ptr<net::ByteStream> stream, std::size_t max_line)
      : channel(std::move(stream), max_line), runner(channel), link(channel) {}
  CommandChannel channel;
  CommandRunner runner;
  EtpanLink link;
};

}  // namespace imapfs::imap
