#pragma once
// What to ask a server to bring a mailbox up to date, and what its answer means: decisions without I/O.
//
// Guarantees: pure functions of their arguments; memory in proportion to the ranges of UIDs, not to messages. Any
// thread.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "imapfs/imap/session.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_reader.hpp"

namespace imapfs::sync {

/// What we hold of a mailbox when a sync begins.
struct KnownMailbox {
  UidValidity uid_validity;
  Uid uid_next;           ///< every UID below it was seen, or is gone
  ModSeq highest_modseq;  ///< every change up to it was seen; 0: none known
  std::uint64_t messages = 0;
  bool listed = false;    ///< rows or a state exist, so that `uid_validity` means something
  bool complete = false;  ///< the rows are the whole mailbox as of this state
  bool in_doubt = false;  ///< some of the rows may be of messages that are gone, or some that are there have none
};

enum class SyncMethod : std::uint8_t {
  none,       ///< nothing changed
  listing,    ///< first listing, or the rest of one
  qresync,    ///< RFC 7162 QRESYNC told what changed and vanished; new messages are fetched
  condstore,  ///< RFC 7162 CHANGEDSINCE, and the set of UIDs if something may have gone
  full,       ///< UID and FLAGS of everything
};
[[nodiscard]] std::string_view to_string(SyncMethod method);

/// Whether the rows we hold belong to another mailbox (RFC 9051 §2.3.1.1). An absent UIDVALIDITY counts as 0.
[[nodiscard]] bool identity_changed(const KnownMailbox& known, const imap::SelectedMailbox& selected);

/// How to go on after SELECT. Mod-sequences that are missing, 0 or lower than known, and a UIDNEXT that went down, are
/// not believed. `condstore`: the session may use CHANGEDSINCE.
[[nodiscard]] SyncMethod choose_method(const KnownMailbox& known, const imap::SelectedMailbox& selected,
                                       bool condstore);

/// Whether the server may hold messages beyond the ones we know.
[[nodiscard]] bool may_have_new_messages(const KnownMailbox& known, const imap::SelectedMailbox& selected,
                                         std::uint64_t messages_held);

/// Two sets of UIDs compared.
struct UidDifference {
  UidSet missing;  ///< the server has them, we do not
  UidSet gone;     ///< we have them, the server does not
};
[[nodiscard]] UidDifference compare_uids(const UidSet& known, const UidSet& server);

/// The UIDs of `set` that are not in `without`.
[[nodiscard]] UidSet subtract(const UidSet& set, const UidSet& without);
/// What both hold.
[[nodiscard]] UidSet common(const UidSet& one, const UidSet& other);

/// Takes the first `count` UIDs out of `set`.
[[nodiscard]] UidSet take_first(UidSet& set, std::uint64_t count);

/// A directory's time while no change was ever witnessed: the same after a remount without a cache, different when the
/// content is. Seconds: UIDVALIDITY where it can be a time (from 1990 on; servers make it of the current time, some run
/// ahead of it), else 2000-01-01.
[[nodiscard]] DirectoryTime unwitnessed_directory_time(UidValidity validity, Uid uid_next, std::uint64_t messages);

}  // namespace imapfs::sync
