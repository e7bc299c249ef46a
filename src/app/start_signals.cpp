#include "app/start_signals.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>

#include "imapfs/base/executor.hpp"

namespace imapfs::app {

StartSignals::StartSignals(int signals)
    : signals_(signals), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void StartSignals::end() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
}

void StartSignals::watch(const std::stop_token& stop) {
  name_this_thread("start-signals");
  while (!stop.stop_requested()) {
    std::array<pollfd, 2> polled{pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), -1) <= 0 || polled[0].revents == 0) continue;
    signalfd_siginfo received{};
    if (::read(signals_, &received, sizeof received) != static_cast<ssize_t>(sizeof received)) continue;
    if (received.ssi_signo == SIGUSR1) continue;
    number_ = static_cast<int>(received.ssi_signo);
    asked_.request_stop();
    return;
  }
}

}  // namespace imapfs::app
