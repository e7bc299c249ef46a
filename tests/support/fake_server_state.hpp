#pragma once
// What FakeServer and its FakeSessions share: the mailboxes, the live connections, the faults and gates a test has set
// up, and the counters. One mutex guards everything here; `changed` is signalled after every change of it. No listener
// is called with the mutex held.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "fake_mailbox.hpp"
#include "imapfs/mime/names.hpp"

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
  std::optional<FlagSet> flags;
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
  bool mute = false;  ///< nothing is answered any more, and nobody is told
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
  std::map<std::uint32_t, std::uint64_t> lying_literals;  ///< by UID: what is announced; the text does not end there

  std::vector<std::weak_ptr<FakeConnection>> connections;
  std::optional<Error> refusal;  ///< of new connections
  std::map<std::string, std::deque<Error>> failures;
  std::map<std::string, Error> refused_commands;
  std::map<std::string, FakeGate> gates;
  /// By command: the connection is lost after this many messages were changed, and before the answer.
  std::map<std::string, std::deque<std::size_t>> losses;
  static constexpr auto whole_command = std::numeric_limits<std::size_t>::max();

  std::map<std::string, std::size_t> counts;
  std::uint64_t header_bytes = 0;
  std::uint64_t body_bytes = 0;
  std::vector<FetchedBody> bodies_fetched;
  std::vector<UidSet> body_sets;      ///< one FETCH each
  bool mixes_body_sets = false;       ///< of two sets, half of the first is sent after the second, as Dovecot may do
  std::vector<std::string> commands;  ///< those that change something, in order of sending
  std::uint32_t last_uid_validity = 1000;
  UnixTime now = 1'700'000'000;  ///< INTERNALDATE of an APPEND without one

  [[nodiscard]] static Error connection_lost() {
    return Error{ECONNRESET, Scope::session, Retry::now, "connection closed by server"};
  }

  [[nodiscard]] static bool is_change(const std::string& command) {
    static const std::set<std::string> changes = {"APPEND", "COPY",   "MOVE",   "STORE",    "EXPUNGE",
                                                  "CREATE", "DELETE", "RENAME", "SUBSCRIBE"};
    return changes.contains(command);
  }

  template <class Function>
  void for_each_connection(Function&& function) {
    std::erase_if(connections, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : connections)
      if (const auto connection = weak.lock(); connection && !connection->lost) function(*connection);
  }

  /// Queues `data` for whoever has `mailbox` selected (but not for `except`), and STATUS for those who asked by NOTIFY.
  void announce(const FakeMailbox& mailbox, const std::vector<Untagged>& data, const FakeConnection* except = nullptr) {
    for_each_connection([&](FakeConnection& connection) {
      if (&connection == except) return;
      if (connection.selected == mailbox.wire_name) {
        connection.pending.insert(connection.pending.end(), data.begin(), data.end());
      } else if (connection.notify) {
        connection.pending.push_back(
            untagged::Status{mailbox.wire_name, mailbox.status(connection.traits.has("CONDSTORE"))});
      }
    });
    changed.notify_all();
  }

  void announce_count(const FakeMailbox& mailbox) {
    announce(mailbox, {untagged::Exists{static_cast<std::uint32_t>(mailbox.messages.size())}});
  }

  /// Those who have it selected lose their connections, as Dovecot does it.
  void lose_selected(const imap::WireName& mailbox, const FakeConnection* except = nullptr) {
    for_each_connection([&](FakeConnection& connection) {
      if (&connection != except && connection.selected == mailbox) connection.lost = true;
    });
    changed.notify_all();
  }

  // -- the tree --
  [[nodiscard]] char delimiter() const { return mailboxes.empty() ? '/' : mailboxes.begin()->second.delimiter; }
  [[nodiscard]] const FakeMailbox* parent_of(const imap::WireName& name) const {
    const auto end = name.rfind(delimiter());
    const auto found = end == std::string::npos ? mailboxes.end() : mailboxes.find(name.substr(0, end));
    return found == mailboxes.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::vector<imap::WireName> children(const FakeMailbox& mailbox) const {
    std::vector<imap::WireName> names;
    for (const auto& [name, child] : mailboxes)
      if (name.starts_with(mailbox.wire_name + mailbox.delimiter)) names.push_back(name);
    return names;
  }
  /// Names above `name` that are missing, as \NonExistent.
  void make_parents(const imap::WireName& name, char delimiter) {
    for (auto end = name.find(delimiter); end != std::string::npos; end = name.find(delimiter, end + 1))
      if (const auto parent = name.substr(0, end); !mailboxes.contains(parent)) make_one(parent, delimiter, false);
  }
  /// As CREATE: a new mailbox, not subscribed, with what is missing above it.
  FakeMailbox& make_mailbox(const imap::WireName& name) {
    const char separator = delimiter();
    make_parents(name, separator);
    return make_one(name, separator, true);
  }

  void announce_list() {
    for_each_connection([](FakeConnection& connection) {
      if (connection.notify) connection.pending.push_back(untagged::ListChanged{});
    });
    changed.notify_all();
  }

 private:
  FakeMailbox& make_one(const imap::WireName& name, char delimiter, bool selectable) {
    auto& mailbox = mailboxes[name] = {};
    mailbox.wire_name = name;
    mailbox.name = mime::decode_mailbox_name(name).utf8;
    mailbox.delimiter = delimiter;
    mailbox.selectable = selectable;
    mailbox.subscribed = false;
    mailbox.uid_validity = UidValidity{++last_uid_validity};
    return mailbox;
  }
};

}  // namespace imapfs::testing
