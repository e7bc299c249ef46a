#pragma once
// A BIO over a non-blocking socket, in place of OpenSSL's own. It sends with MSG_NOSIGNAL (a peer that hangs up must
// not kill the daemon by SIGPIPE, and a library must not change the process's signal handling), keeps the errno, tells
// an empty socket from a record without data, and shows whether the peer speaks TLS at all.

#include <openssl/bio.h>

#include <cstdint>
#include <memory>

namespace imapfs::net {

struct SocketState {
  int socket = -1;
  int errnum = 0;            ///< of the last failed call; 0 if none failed
  bool would_block = false;  ///< the last read or write found the socket not ready
  bool end_of_file = false;
  bool saw_first_byte = false;
  std::uint8_t first_byte = 0;  ///< from the peer: 20 to 23 is a TLS record (RFC 8446 §5.1)
};

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};

/// `state` must outlive the BIO. The BIO does not close the socket. Null when out of memory.
std::unique_ptr<BIO, BioDeleter> make_socket_bio(SocketState& state);

}  // namespace imapfs::net
