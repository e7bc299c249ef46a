#include "app/last_changes.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "imapfs/base/concurrency.hpp"
#include "imapfs/base/telemetry.hpp"

namespace imapfs::app {
namespace {

/// An outcome that a poll(2) can wait for. It may come when nobody waits any more.
class AwaitedOutcome {
 public:
  AwaitedOutcome() = default;
  ~AwaitedOutcome() { ::close(descriptor_); }
  AwaitedOutcome(const AwaitedOutcome&) = delete;
  AwaitedOutcome& operator=(const AwaitedOutcome&) = delete;

  void set(Result<void> result) {
    *result_.lock() = std::move(result);
    ::eventfd_write(descriptor_, 1);
  }
  [[nodiscard]] std::optional<Result<void>> get() { return *result_.lock(); }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  const int descriptor_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Guarded<std::optional<Result<void>>> result_;
};

bool ends_the_wait(int signals) {
  signalfd_siginfo received{};
  if (::read(signals, &received, sizeof received) != static_cast<ssize_t>(sizeof received)) return false;
  return received.ssi_signo == SIGTERM || received.ssi_signo == SIGINT || received.ssi_signo == SIGHUP;
}

std::string counted(std::size_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

/// When the last mount ended: it goes to the outbox, unless its upload had begun.
bool was_being_written(store::Journal& journal, const store::StagedFile& file) {
  std::error_code gone;
  if (file.state != store::StagedFile::State::open) return false;
  if (std::filesystem::file_size(journal.staging_path(file.id), gone) == 0 || gone) return false;
  const auto changes = journal.changes();
  return !changes || std::none_of(changes->begin(), changes->end(),
                                  [&](const store::JournalChange& change) { return change.staged == file.id; });
}

}  // namespace

Result<void> await_last_changes(const std::function<void(Completion<void>)>& drain, std::chrono::milliseconds patience,
                                int signals) {
  const auto outcome = std::make_shared<AwaitedOutcome>();
  drain([outcome](Result<void> result) { outcome->set(std::move(result)); });
  const auto context = CallContext::within(patience);
  if (!outcome->get()) telemetry::info("waiting for changes to reach the server");
  while (true) {
    if (auto result = outcome->get()) return std::move(*result);
    if (context.expired())
      return fail(ETIMEDOUT, "not within {} s", std::chrono::ceil<std::chrono::seconds>(patience).count());
    std::array<pollfd, 2> polled{pollfd{outcome->descriptor(), POLLIN, 0}, pollfd{signals, POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), context.poll_timeout()) <= 0) continue;
    if (polled[1].revents != 0 && ends_the_wait(signals)) return fail(EINTR, "a signal asked for the end at once");
  }
}

std::string describe_waiting(store::Journal& journal) {
  const auto changes = journal.changes();
  const auto staged = journal.staged();
  const auto files = staged ? std::count_if(staged->begin(), staged->end(),
                                            [](const store::StagedFile& file) {
                                              return file.state != store::StagedFile::State::local;
                                            })
                            : 0;
  // The upload of a file is a change of its own, and not worth a second word.
  const auto others = changes ? std::count_if(changes->begin(), changes->end(),
                                              [](const store::JournalChange& change) {
                                                return change.kind != store::JournalChange::Kind::append;
                                              })
                              : 0;
  std::string text;
  if (others > 0) text = counted(static_cast<std::size_t>(others), "change");
  if (files > 0) text += (text.empty() ? "" : " and ") + counted(static_cast<std::size_t>(files), "file");
  return text;
}

std::string describe_outbox(store::Journal& journal) {
  constexpr std::size_t most_names = 5;
  using State = store::StagedFile::State;
  const auto staged = journal.staged();
  if (!staged) return {};
  std::string names;
  std::size_t files = 0;
  for (const auto& file : *staged) {
    // What is in a local directory stays there.
    if (file.name.find('/') != std::string::npos) continue;
    if (file.state != State::refused && !was_being_written(journal, file)) continue;
    if (++files <= most_names) names += (names.empty() ? "" : ", ") + telemetry::printable(file.name);
  }
  if (files == 0) return {};
  return fmt::format("{} not uploaded, and in .imapfs/outbox: {}{}", counted(files, "file"), names,
                     files > most_names ? ", ..." : "");
}

}  // namespace imapfs::app
