#pragma once
// What FakeServer and its FakeSessions share: the mailboxes, the live connections, the faults and gates a test has set up, and the
// counters. One mutex guards everything here; `changed` is signalled after every change of it. No listener is called
// with the mutex held.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "support/fake_mailbox.hpp"

namespace imapfs::testing {

/// Untagged data waiting for a connection.
namespace untagged {
struct Exists {
  std::uint32_t messages;
};
struct Expunge {};
struct Vanished {
  UidSet uids;
};
struct Fetch {
  Uid uid;
  FlagSet flags;
  std::optional<ModSeq> modseq;
};
struct Status {
  imap::WireName mailbox;
  MailboxStatus status;
};
struct ListChanged {};
}  // namespace untagged
using Untagged = std::variant<untagged::Exists, untagged::Expunge, untagged::Vanished, untagged::Fetch,
                              untagged::Status, untagged::ListChanged>;

/// The server's end of one connection.
struct FakeConnection {
  imap::WireName selected;
  bool lost = false;
  bool notify = false;
  bool idling = false;
  imap::ServerTraits traits;
  std::deque<Untagged> pending;
};

/// A point where a test can make sessions wait.
struct FakeGate {
  bool held = false;
  std::size_t permits = 0;  ///< passes still allowed while held
  std::size_t waiting = 0;
};

/// One FETCH of a body, as a test looks at it.
struct FetchedBody {
  imap::WireName mailbox;
  Uid uid;
  std::optional<imap::OctetRange> range;
};

struct FakeServerState {
  std::mutex mutex;
  std::condition_variable_any changed;

  std::map<imap::WireName, FakeMailbox> mailboxes;
  std::vector<imap::Namespace> namespaces{{imap::Namespace::Kind::personal, "", "", '/'}};
  std::set<std::string> capabilities;
  imap::Quirks quirks;
  std::optional<imap::Quota> quota;
  std::size_t chunk_bytes = 16 * 1024;

  std::vector<std::weak_ptr<FakeConnection>> connections;
  std::optional<Error> refusal;  ///< of new connections
  std::map<std::string, std::deque<Error>> failures;
  std::map<std::string, FakeGate> gates;

  std::map<std::string, std::size_t> counts;
  std::uint64_t header_bytes = 0;
  std::uint64_t body_bytes = 0;
  std::vector<FetchedBody> bodies_fetched;

  [[nodiscard]] static Error connection_lost() {
    return Error{ECONNRESET, Scope::session, Retry::now, "connection closed by server"};
  }

  template <class Function>
  void for_each_connection(Function&& function) {
    std::erase_if(connections, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : connections)
      if (const auto connection = weak.lock(); connection && !connection->lost) function(*connection);
  }

  /// Queues `datum` for whoever has `mailbox` selected, and STATUS for those who asked by NOTIFY.
  void announce(const FakeMailbox& mailbox, const Untagged& datum) {
    for_each_connection([&](FakeConnection& connection) {
      if (connection.selected == mailbox.wire_name) {
        connection.pending.push_back(datum);
      } else if (connection.notify) {
        connection.pending.push_back(
            untagged::Status{mailbox.wire_name, mailbox.status(connection.traits.has("CONDSTORE"))});
      }
    });
    changed.notify_all();
  }

  void announce_list() {
    for_each_connection([](FakeConnection& connection) {
      if (connection.notify) connection.pending.push_back(untagged::ListChanged{});
    });
    changed.notify_all();
  }
};

}  // namespace imapfs::testing
