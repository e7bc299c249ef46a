#pragma once
// Builds a Completion for callers that only pass an Error on. on_success(reply, "find the message", [=](MessageMeta
// meta) {…}) replies with the Error, or calls the function with the value.
//
// Pure; the returned callable runs on the thread that completes it.

#include <type_traits>
#include <utility>

#include "imapfs/base/executor.hpp"
#include "imapfs/base/result.hpp"

namespace imapfs {

/// Converts to a Completion of whatever `then` takes (of void if it takes nothing).
template <class T, class Then>
[[nodiscard]] auto on_success(Completion<T> reply, Then then) {
  return [reply = std::move(reply), then = std::move(then)](auto result) mutable {
    if (!result) return reply(fail(std::move(result).error()));
    if constexpr (std::is_void_v<typename decltype(result)::value_type>) {
      then();
    } else {
      then(std::move(*result));
    }
  };
}

/// As above; adds the activity to the Error.
template <class T, class Then>
[[nodiscard]] auto on_success(Completion<T> reply, const char* activity, Then then) {
  return on_success(Completion<T>([reply = std::move(reply), activity](Result<T> refused) {
                      reply(fail(std::move(refused).error().while_doing(activity)));
                    }),
                    std::move(then));
}

}  // namespace imapfs
