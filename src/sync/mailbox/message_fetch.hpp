#pragma once
// The commands by which a sync learns what is in a mailbox: rows, flags and UIDs. They ask for sets of limited size,
// and the replica takes the rows as they come.
//
// The session has the mailbox selected. Readers are woken while rows come. RowsByParts remembers what was refused or
// lost: the same set may be asked for again on another session.
//
// Errors: those of the session, with the activity added. One thread at a time; blocks within the CallContext.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "imapfs/imap/session.hpp"
#include "sync/mailbox/listing_order.hpp"
#include "sync/mailbox/mailbox_replica.hpp"
#include "sync/mailbox/rows_by_parts.hpp"

namespace imapfs::sync {

/// The end of every open range: `*` would match the last message even if its UID is below the range.
inline constexpr Uid highest_uid{UINT32_MAX};

class MessageFetch {
 public:
  struct Settings {
    std::uint64_t messages_per_command = 20'000;  ///< in a listing's first command, …
    SteadyClock::duration long_command = std::chrono::seconds(
        0);  ///< … the next may ask for up to ten times as many if it then takes this long
    std::uint64_t messages_per_small_command = 1'500;  ///< with the quirk small_fetch_sets
    SteadyClock::duration command_timeout = std::chrono::seconds(60);
    SteadyClock::duration fetch_timeout = std::chrono::seconds(300);
    std::uint64_t first_wake_rows = 1;  ///< readers are woken by the first row at once, …
    std::uint64_t wake_rows = 1024;     ///< … then after this many rows,
    SteadyClock::duration wake_after = std::chrono::milliseconds(20);  ///< or after this time
  };

  MessageFetch(MailboxReplica& replica, Settings settings);

  /// The items that a listing asks of each message.
  [[nodiscard]] static imap::FetchItems listing_items(const mime::NameTemplate& names, bool condstore);
  /// How many messages the server counts in the mailbox, as far as it has told this session.
  [[nodiscard]] static std::uint64_t counted(const imap::Session& session) { return session.selection().messages; }
  /// Whether CHANGEDSINCE may be used.
  [[nodiscard]] static bool has_condstore(const imap::Session& session);
  /// The Error for a mailbox whose messages the server counts but does not show.
  [[nodiscard]] static tl::unexpected<Error> shows_none(const imap::Session& session);

  /// `order`: that of the running listing; null: the rows are news.
  Result<void> fetch_rows(imap::Session& session, const CallContext& context, const UidSet& uids, ListingOrder* order);
  /// Fetches rows of messages that exist. Messages that the answer leaves out are requested once more, without header.
  Result<void> fetch_missing(imap::Session& session, const CallContext& context, UidSet missing, ListingOrder* order);
  /// Fetches flags of messages in the table: of all, or those changed after `since`. `seen` gets the UIDs.
  Result<void> fetch_flags(imap::Session& session, const CallContext& context, std::optional<ModSeq> since,
                           UidSet* seen);
  Result<UidSet> all_uids(imap::Session& session, const CallContext& context);
  /// The UIDs of `uids` that exist; one command, however large the set is.
  Result<std::vector<Uid>> present_in(imap::Session& session, const CallContext& context, const UidSet& uids);

  /// From now on, rows from this UIDNEXT on count as newer than the SELECT.
  void selected(std::optional<Uid> uid_next);
  [[nodiscard]] std::uint64_t newer_than_select() const { return newer_than_select_; }
  /// Messages of which the server delivered nothing.
  [[nodiscard]] const UidSet& left_out() const { return rows_.left_out(); }

  /// How many messages one command asks for.
  [[nodiscard]] std::uint64_t chunk_size(const imap::Session& session) const;
  /// A command for `asked` messages took this long. Between two commands the connection is idle for a round trip, but
  /// during one nobody else gets a turn.
  void adapt_chunk_size(std::uint64_t asked, SteadyClock::duration taken);
  [[nodiscard]] static CallContext bounded(const CallContext& context, SteadyClock::duration patience);

 private:
  Result<void> fetch_items(imap::Session& session, const CallContext& context, const UidSet& uids,
                           RowsByParts::Items items, const std::function<void(const imap::FetchRow&)>& take);

  MailboxReplica& replica_;
  const Settings settings_;
  std::uint64_t chunk_size_ = settings_.messages_per_command;
  RowsByParts rows_;
  std::optional<Uid> uid_next_;
  std::uint64_t newer_than_select_ = 0;
};

}  // namespace imapfs::sync
