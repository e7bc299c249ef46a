#pragma once
// Decides what to ask a server to bring a mailbox up to date, and what its answer means. No I/O.
//
// Pure functions of their arguments; memory in proportion to the ranges of UIDs, not to messages. Any thread.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "imapfs/imap/session.hpp"
#include "imapfs/model/types.hpp"
#include "imapfs/sync/mailbox_reader.hpp"

namespace imapfs::sync {

/// What we have of a mailbox when a sync begins.
struct KnownMailbox {
  UidValidity uid_validity;
  Uid uid_next;           ///< every lower UID was seen, or is gone
  ModSeq highest_modseq;  ///< every change up to it was seen; 0: unknown
  std::uint64_t messages = 0;
  bool listed = false;    ///< rows or a state exist, so that `uid_validity` means something
  bool complete = false;  ///< the rows are the whole mailbox as of this state
  bool in_doubt = false;  ///< some rows may be of messages that are gone, or some messages may have no row
};

enum class SyncMethod : std::uint8_t {
  none,       ///< nothing changed
  listing,    ///< first listing, or the rest of one
  qresync,    ///< RFC 7162 QRESYNC told what changed and vanished; new messages are fetched
  condstore,  ///< RFC 7162 CHANGEDSINCE, and the set of UIDs if something may have gone
  full,       ///< UID and FLAGS of everything
};
[[nodiscard]] std::string_view to_string(SyncMethod method);

/// Whether our rows belong to another mailbox (RFC 9051 §2.3.1.1). An absent UIDVALIDITY counts as 0.
[[nodiscard]] bool identity_changed(const KnownMailbox& known, const imap::SelectedMailbox& selected);

/// The method to use after SELECT. Ignores mod-sequences that are missing, 0 or lower than known, and a UIDNEXT that
/// went down. `condstore`: the session may use CHANGEDSINCE.
[[nodiscard]] SyncMethod choose_method(const KnownMailbox& known, const imap::SelectedMailbox& selected,
                                       bool condstore);

/// Whether the server may have messages that we do not know.
[[nodiscard]] bool may_have_new_messages(const KnownMailbox& known, const imap::SelectedMailbox& selected,
                                         std::uint64_t messages_held);

/// The difference of two sets of UIDs.
struct UidDifference {
  UidSet missing;  ///< the server has them, we do not
  UidSet gone;     ///< we have them, the server does not
};
[[nodiscard]] UidDifference compare_uids(const UidSet& known, const UidSet& server);

[[nodiscard]] UidSet subtract(const UidSet& set, const UidSet& without);
[[nodiscard]] UidSet common(const UidSet& one, const UidSet& other);

/// Removes the first `count` UIDs from `set` and returns them.
[[nodiscard]] UidSet take_first(UidSet& set, std::uint64_t count);

/// A directory's time if no change was ever seen. It is the same after a remount without a cache, and different if the
/// content differs. Seconds: UIDVALIDITY if it can be a time (from 1990 on; servers derive it from the current time,
/// and some run ahead of it), else 2000-01-01.
[[nodiscard]] DirectoryTime unwitnessed_directory_time(UidValidity validity, Uid uid_next, std::uint64_t messages);

}  // namespace imapfs::sync
