#pragma once
// What a user wants done to a message, before it is a change. Plain data.

#include <cstdint>

#include "imapfs/sync/message_changer.hpp"

namespace imapfs::sync {

enum class ChangeRequestKind : std::uint8_t { copy, move, remove, expunge, restore };

struct ChangeRequest {
  ChangeRequestKind kind = ChangeRequestKind::remove;
  ChangeSource source;
  ArrivalTarget target;  ///< copy, move; of restore the name
  ChangeReply reply;
};

}  // namespace imapfs::sync
