#include "imapfs/fuse/mount.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <thread>

#include "fuse/caller_state.hpp"
#include "fuse/operations.hpp"
#include "fuse/session_support.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::fuse {
namespace {

/// Interrupts a fuse thread that sleeps in read(/dev/fuse). Its default action is to be ignored, so a stray one is
/// harmless.
constexpr int wake_signal = SIGURG;

void do_nothing(int) {}

void install_wake_signal() {
  struct sigaction action {};
  action.sa_handler = do_nothing;  // without SA_RESTART: read(2) must return
  ::sigaction(wake_signal, &action, nullptr);
}

void admit_wake_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, wake_signal);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

__attribute__((format(printf, 2, 0))) void log_of_libfuse(fuse_log_level level, const char* format, va_list arguments) {
  char text[1024];
  if (std::vsnprintf(text, sizeof text, format, arguments) < 0) return;
  std::string line = text;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  line = telemetry::printable(line, 1000);
  if (level >= FUSE_LOG_DEBUG) telemetry::trace(telemetry::Category::fuse, "libfuse: {}", line);
  else if (level <= FUSE_LOG_ERR) telemetry::warning("libfuse: {}", line);
  else telemetry::debug("libfuse: {}", line);
}

/// libfuse splits -o values at commas and reads backslash as an escape.
std::string escaped(const std::string& value) {
  std::string out;
  for (const char character : value) {
    if (character == ',' || character == '\\') out += '\\';
    out += character;
  }
  return out;
}

std::vector<std::string> arguments_of(const MountSettings& settings) {
  std::vector<std::string> arguments = {"imapfs", "-odefault_permissions", "-ofsname=" + escaped(settings.source),
                                        "-osubtype=" + escaped(settings.subtype)};
  if (settings.allow_other) arguments.emplace_back("-oallow_other");
  for (const auto& option : settings.kernel_options) arguments.push_back("-o" + option);
  if (settings.debug) arguments.emplace_back("-d");
  return arguments;
}

struct SessionDeleter {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};

std::unique_ptr<fuse_session, SessionDeleter> make_session(const MountSettings& settings, OperationContext& context) {
  auto texts = arguments_of(settings);
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(pointers.size()), pointers.data());
  std::unique_ptr<fuse_session, SessionDeleter> session(
      fuse_session_new(&arguments, &operations(), sizeof(fuse_lowlevel_ops), &context));
  fuse_opt_free_args(&arguments);
  return session;
}

}  // namespace

struct Mount::Implementation {
  Implementation(MountSettings wanted, vfs::Filesystem& all, std::shared_ptr<RequestRegistry> registry)
      : settings(std::move(wanted)), filesystem(all), requests(std::move(registry)), context(all),
        announcer(settings.mountpoint) {}

  Result<void> begin(Scheduler& scheduler);
  Result<void> become_live();
  void serve_requests();
  void start_threads();
  void stop_threads();
  void unmount();
  void end_session();
  [[nodiscard]] std::optional<DirectoryPlace> place_of(vfs::NodeId directory);

  const MountSettings settings;
  vfs::Filesystem& filesystem;
  const std::shared_ptr<RequestRegistry> requests;
  OperationContext context;
  MountAnnouncer announcer;
  std::unique_ptr<fuse_session, SessionDeleter> session;
  std::unique_ptr<SessionChannel> channel;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::size_t running = 0;  ///< fuse threads
  bool stopping = false;    ///< unmount() has begun
  bool ended_outside = false;
  std::function<void()> on_ended;  ///< empty once called
  std::vector<std::jthread> threads;
};

Result<void> Mount::Implementation::begin(Scheduler& scheduler) {
  auto dependencies = std::make_shared<Request::Dependencies>();
  dependencies->registry = requests;
  dependencies->scheduler = &scheduler;
  dependencies->path_of = [all = &filesystem](vfs::NodeId node) { return all->path_of(node); };
  dependencies->reply_error = [](fuse_req_t raw, int errnum) { return fuse_reply_err(raw, errnum); };
  dependencies->make_interruptible = make_interruptible;
  dependencies->being_killed = [](pid_t thread) { return caller_state(thread).being_killed(); };
  context.dependencies = std::move(dependencies);
  context.timeout = settings.timeout;
  context.max_readahead = settings.max_readahead;
  context.list_xattrs = settings.list_xattrs;

  fuse_set_log_func(log_of_libfuse);
  session = make_session(settings, context);
  if (!session)
    return fail(EINVAL, Scope::account, Retry::never, "the kernel's mount options are not understood (see the log)");
  context.session = session.get();
  if (fuse_session_mount(session.get(), settings.mountpoint.c_str()) != 0)
    return fail(EPERM, Scope::account, Retry::never,
                "cannot mount on {} (the reason is in the line before this one); in a container, mounting needs "
                "--device /dev/fuse --cap-add SYS_ADMIN",
                settings.mountpoint);
  channel = std::make_unique<SessionChannel>(session.get());
  context.notifier = std::make_shared<SessionNotifier>(SessionNotifier::Dependencies{
      .kernel = channel.get(),
      .announcer = &announcer,
      .begin_announcement = [this](vfs::Announcement news) { return filesystem.begin_announcement(std::move(news)); },
      .end_announcement = [this](vfs::Announcements::Id id) { filesystem.end_announcement(id); },
      .place_of = [this](vfs::NodeId directory) { return place_of(directory); }});
  start_threads();
  return become_live();
}

/// One request through the whole of it, so that "mounted" means that it answers.
Result<void> Mount::Implementation::become_live() {
  struct stat status {};
  int outcome = 0;
  // The end of a password command is a signal for this process, and any signal may end a request of its own.
  do outcome = ::stat(settings.mountpoint.c_str(), &status);
  while (outcome != 0 && errno == EINTR);
  if (outcome != 0)
    return fail(errno, Scope::account, Retry::never, "{}",
                system_error(errno, fmt::format("the new mount on {} does not answer", settings.mountpoint)).what);
  announcer.set_device(status.st_dev);
  return {};
}

void Mount::Implementation::start_threads() {
  install_wake_signal();
  const std::size_t count = std::max<std::size_t>(settings.threads, 2);
  running = count;
  for (std::size_t index = 1; index <= count; ++index)
    threads.emplace_back([this, index] {
      name_this_thread(fmt::format("fuse-{}", index));
      admit_wake_signal();
      serve_requests();
    });
}

void Mount::Implementation::serve_requests() {
  fuse_buf buffer{};
  while (fuse_session_exited(session.get()) == 0) {
    const int received = fuse_session_receive_buf(session.get(), &buffer);
    if (received == -EINTR || received == -EAGAIN) continue;
    if (received <= 0) break;
    fuse_session_process_buf(session.get(), &buffer);
  }
  ::free(buffer.mem);
  fuse_session_exit(session.get());  // ENODEV reached one thread: the others get it too

  std::function<void()> callback;
  {
    const std::lock_guard guard(mutex);
    --running;
    if (!stopping) {
      ended_outside = true;
      callback = std::exchange(on_ended, nullptr);
    }
  }
  changed.notify_all();
  if (callback) callback();
}

void Mount::Implementation::stop_threads() {
  fuse_session_exit(session.get());
  std::unique_lock lock(mutex);
  while (running > 0) {
    // A signal that comes just before read(2) is lost, so it is repeated until the thread has seen the end.
    for (auto& thread : threads) ::pthread_kill(thread.native_handle(), wake_signal);
    changed.wait_for(lock, std::chrono::milliseconds(10), [&] { return running == 0; });
  }
  lock.unlock();
  threads.clear();
}

void Mount::Implementation::unmount() {
  {
    const std::lock_guard guard(mutex);
    if (stopping) return;
    stopping = true;
  }
  if (!session) return;
  // Refused requests end whatever the notifier's threads may be waiting for inside the kernel, as long as the fuse
  // threads still read. Then nobody but those holds the session.
  requests->refuse_all();
  filesystem.shut_down();
  if (context.notifier) context.notifier->stop();
  stop_threads();
  requests->wait_until_idle();
  end_session();
  session.reset();
}

// fuse_session_unmount() closes /dev/fuse, which ends the connection even where the mount is busy or lives on
// elsewhere, and detaches whatever lies at the mountpoint by then, be it the next mount. It spares that if poll(2)
// reports an error of the descriptor; so where the mount is not at its place, a pipe without a reader takes the
// descriptor's number.
void Mount::Implementation::end_session() {
  int ends[2];
  if (announcer.device() != 0 && !announcer.is_in_place() && ::pipe2(ends, O_CLOEXEC) == 0) {
    ::close(ends[0]);
    ::dup3(ends[1], fuse_session_fd(session.get()), O_CLOEXEC);
    ::close(ends[1]);
  }
  fuse_session_unmount(session.get());
}

std::optional<DirectoryPlace> Mount::Implementation::place_of(vfs::NodeId directory) {
  const auto path = filesystem.path_of(directory);
  const auto name = path.substr(path.rfind('/') + 1);
  if (directory == vfs::root_node || name.empty()) return std::nullopt;
  // Answered within the call, from memory; otherwise there is nothing the kernel could know.
  const auto parent = std::make_shared<Guarded<std::optional<vfs::NodeId>>>();
  filesystem.lookup({}, directory, "..", [parent](const Result<vfs::Entry>& entry) {
    if (entry) *parent->lock() = entry->node;
  });
  const auto found = *parent->lock();
  return found ? std::optional<DirectoryPlace>({*found, name}) : std::nullopt;
}

Result<std::unique_ptr<Mount>> Mount::create(MountSettings settings, vfs::Filesystem& filesystem, Scheduler& scheduler,
                                             std::shared_ptr<RequestRegistry> requests) {
  settings.mountpoint = IMAPFS_TRY(prepare_mountpoint(settings));
  auto implementation = std::make_unique<Implementation>(std::move(settings), filesystem, std::move(requests));
  std::unique_ptr<Mount> mount(new Mount(std::move(implementation)));
  IMAPFS_TRY(mount->implementation_->begin(scheduler));
  return mount;
}

Mount::Mount(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

Mount::~Mount() { unmount(); }

vfs::KernelNotifier& Mount::notifier() { return *implementation_->context.notifier; }

dev_t Mount::device() const { return implementation_->announcer.device(); }

void Mount::on_ended(std::function<void()> callback) {
  {
    const std::lock_guard guard(implementation_->mutex);
    if (!implementation_->ended_outside) {
      implementation_->on_ended = std::move(callback);
      return;
    }
  }
  callback();
}

void Mount::unmount() { implementation_->unmount(); }

}  // namespace imapfs::fuse
