#include "sync/tree/tree_change_outcome.hpp"

#include <memory>
#include <utility>

namespace imapfs::sync {
namespace {

/// Whether no answer tells what became of the command.
bool is_without_answer(const Error& error) {
  return error.lost_connection() || error.errnum == ETIMEDOUT || error.errnum == EINTR || error.errnum == ECANCELED;
}

}  // namespace

void TreeChangeOutcome::conclude(Answer answer) {
  const auto& result = answer.result;
  const bool unknown = !result && answer.sent && is_without_answer(result.error());
  // The user may have been told of a timeout by now.
  const bool late = SteadyClock::now() - answer.began > timeout_ / 2;
  if (result) answer.adopt(!answer.lost && !late);
  if (!unknown && !answer.lost) return answer.done(result);
  look(std::move(answer));
}

void TreeChangeOutcome::look(Answer answer) {
  const auto shared = std::make_shared<Answer>(std::move(answer));
  tree_sync_.list(imap::Priority::interactive, [this, shared](const Result<Listing>& listing) {
    const bool succeeded = shared->result.has_value();
    if (!listing) {
      tree_sync_.resolve_later([shared, succeeded](const Listing& later) {
        if (!succeeded && shared->is_made(later)) shared->adopt(false);
      });
      return shared->done(shared->result);
    }
    const bool made = !succeeded && shared->is_made(*listing);
    if (made) shared->adopt(false);
    tree_sync_.take(*listing);
    shared->done(made ? Result<void>() : shared->result);
  });
}

}  // namespace imapfs::sync
