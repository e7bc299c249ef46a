#include "app/daemon.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#ifdef IMAPFS_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "app/directories.hpp"
#include "app/last_changes.hpp"
#include "app/option_values.hpp"
#include "app/remembered_compression.hpp"
#include "app/start_signals.hpp"
#include "imapfs/base/exception_barrier.hpp"
#include "imapfs/base/mount_table.hpp"
#include "imapfs/base/notices.hpp"
#include "imapfs/base/telemetry.hpp"
#include "imapfs/fuse/kernel_notifier.hpp"
#include "imapfs/fuse/mount.hpp"
#include "imapfs/mime/header_decode.hpp"
#include "imapfs/store/account_opening.hpp"
#include "imapfs/store/message_cache.hpp"
#include "imapfs/store/metadata_store.hpp"
#include "imapfs/sync/imap_account.hpp"
#include "imapfs/vfs/change_publisher.hpp"
#include "imapfs/vfs/filesystem.hpp"
#include "imapfs/vfs/node_id.hpp"

namespace imapfs::app {
namespace {

constexpr int connect_attempts = 3;
constexpr std::string_view mount_type = "fuse.imapfs";

void notify_service_manager([[maybe_unused]] const std::string& state) {
#ifdef IMAPFS_HAVE_SYSTEMD
  ::sd_notify(0, state.c_str());
#endif
}

/// Blocks the signals run() waits for, in every thread that starts later, and opens a descriptor on which they arrive.
int open_signal_descriptor() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

telemetry::LogSettings log_settings(const Options& options, const std::string& cache_directory) {
  telemetry::LogSettings settings;
  settings.level = options.log_level;
  settings.traced = options.traced;
  settings.file = options.log_file;
  switch (options.log_target) {
    case LogTarget::standard_error: settings.destination = telemetry::Destination::standard_error; break;
    case LogTarget::file: settings.destination = telemetry::Destination::file; break;
    case LogTarget::journal: settings.destination = telemetry::Destination::journal; break;
    case LogTarget::automatic:
      if (options.foreground) break;
      if (::access("/run/systemd/journal/socket", W_OK) == 0) {
        settings.destination = telemetry::Destination::journal;
      } else if (!cache_directory.empty()) {
        settings.destination = telemetry::Destination::file;
        settings.file = cache_directory + "/imapfs.log";
      }
      break;
  }
  return settings;
}

/// Texts of a server may be in it: nothing that is no UTF-8 may end the process.
std::string text_of(const nlohmann::json& content) {
  return content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

imap::AccountSettings account_settings(const Options& options, std::shared_ptr<PasswordSource> password) {
  imap::AccountSettings settings;
  settings.endpoint = options.endpoint;
  settings.implicit_tls = options.implicit_tls;
  settings.allow_plain = options.insecure;
  settings.tls = options.tls;
  settings.user = options.user;
  settings.password = [password = std::move(password)](const CallContext& context) { return password->get(context); };
  settings.quirks = options.quirks;
  settings.compression = std::make_shared<imap::CompressionChoice>(options.compress);
  return settings;
}

class Daemon::Implementation {
 public:
  Implementation(Options options, std::shared_ptr<PasswordSource> password)
      : options_(std::move(options)), password_(std::move(password)), signals_(open_signal_descriptor()),
        mount_ended_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    password_->on_slow([](std::chrono::seconds waited) {
      notices().set("password", fmt::format("waiting for the password command, which has given no answer for {} s",
                                            waited.count()));
    });
  }

  ~Implementation() {
    stop();
    ::close(signals_);
    ::close(mount_ended_);
  }

  Result<void> start() {
    StartSignals signals(signals_);
    auto started = start_layers(signals.token());
    signals.end();
    if (signals.number() != 0) return fail(EINTR, "ended on signal {} before the mount was live", signals.number());
    IMAPFS_TRY(std::move(started));
    notices().mount_is_live();
    telemetry::info("{} is mounted at {}", options_.url(), options_.mountpoint);
    notify_service_manager("READY=1\nSTATUS=" + options_.url() + " is mounted at " + options_.mountpoint);
    return {};
  }

  int run() {
    while (true) {
      std::array<pollfd, 3> polled{pollfd{signals_, POLLIN, 0}, pollfd{mount_ended_, POLLIN, 0},
                                   pollfd{mount_watched_ ? mounts_.descriptor() : -1, POLLPRI, 0}};
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[1].revents != 0 || (polled[2].revents != 0 && !mounts_.holds(mount_->device(), mount_type))) {
        telemetry::info("{} was unmounted", options_.mountpoint);
        break;
      }
      if (polled[0].revents != 0 && handle_signal()) break;
    }
    stop();
    telemetry::info("ended");
    telemetry::flush();
    return 0;
  }

 private:
  Result<void> start_layers(const std::stop_token& stop) {
    // Whatever this process creates (cache, log) is for its owner only; modes in the mount come from the option umask=.
    own_umask_ = ::umask(077);
    mime::initialise_mime();
    if (options_.cache) IMAPFS_TRY(open_account_directory(stop));
    const auto log = log_settings(options_, directory_ ? directory_->path : "");
    IMAPFS_TRY(telemetry::configure(log));
    notices().log_is_open(log.destination == telemetry::Destination::standard_error);
    open_stores();
    if (!options_.read_only) IMAPFS_TRY(open_journal(stop));
    tell_of_first_mount();
    note_mount(Stage::running);
    scheduler_ = std::make_unique<Scheduler>();
    IMAPFS_TRY(start_account(stop));
    IMAPFS_TRY(start_mount());
    note_mount(Stage::running);
    return {};
  }

  /// True if the signal ends the daemon.
  bool handle_signal() {
    signalfd_siginfo received{};
    if (::read(signals_, &received, sizeof received) != static_cast<ssize_t>(sizeof received)) return false;
    if (received.ssi_signo == SIGUSR1) {
      (void)run_contained("status", [this] { dump(); });
      account_->retry_now();
      return false;
    }
    telemetry::info("ending on signal {} of process {}", received.ssi_signo, received.ssi_pid);
    return true;
  }

  void dump() const {
    telemetry::write(telemetry::Level::info, "status " + text_of(account_->status()));
    telemetry::write(telemetry::Level::info, "requests " + text_of(requests_->describe()));
    telemetry::flush();
  }

  void open_stores() {
    if (!cache_problem_.empty()) telemetry::warning("{}", cache_problem_);
    metadata_ = directory_ ? store::MetadataStore::open(directory_->path) : store::MetadataStore::none();
    store::MessageCache::Settings settings;
    settings.directory = directory_ ? directory_->path : "";
    settings.size_limit = options_.cache_size;
    bodies_ = std::make_shared<store::MessageCache>(settings);
  }

  /// Without a journal nothing can be promised, so nothing is accepted; reading goes on. A journal that only a newer
  /// version understands holds promises, and they are not passed over.
  Result<void> open_journal(const std::stop_token& stop) {
    const std::string root = state_root(options_);
    auto opened = root.empty() ? fail(ENOENT, "neither XDG_STATE_HOME nor HOME is set")
                               : store::open_journal(root, options_.account(), lock_wait(stop));
    if (!opened && (opened.error().errnum == EPROTONOSUPPORT || opened.error().errnum == EINTR))
      return fail(std::move(opened).error());
    if (!opened) {
      notices().set("journal",
                    "the mount is read-only, because there is no place for a journal: " + opened.error().what);
      return {};
    }
    journal_ = std::move(*opened);
    if (const auto waiting = describe_waiting(*journal_); !waiting.empty())
      telemetry::info("{} of an earlier mount in {}", waiting, journal_->directory());
    if (const auto outbox = describe_outbox(*journal_); !outbox.empty()) notices().mention(outbox);
    return {};
  }

  Result<void> open_account_directory(const std::stop_token& stop) {
    const std::string root = cache_root(options_);
    if (root.empty()) {
      cache_problem_ = "no cache: neither XDG_CACHE_HOME nor HOME is set";
      return {};
    }
    auto opened = store::open_cache_directory(root, options_.account(), lock_wait(stop));
    if (!opened && opened.error().errnum == EINTR) return fail(std::move(opened).error());
    if (opened) directory_ = std::move(*opened);
    else cache_problem_ = "no cache: " + opened.error().what;
    return {};
  }

  /// An unmount is followed by the end of its daemon when changes have reached the server: the same mount comes after
  /// it, not a second one beside it.
  store::LockWait lock_wait(const std::stop_token& stop) const {
    return {[](const store::LockNote& note) {
              notices().mention(fmt::format(
                  "waiting for the earlier mount at {} (process {}), whose changes are on their way to the server",
                  note.mountpoint, note.process));
            },
            stop};
  }

  void tell_of_first_mount() {
    std::string own = directory_ ? directory_->path : "";
    if (journal_ && store::original_of(own).empty()) own = journal_->directory();
    const auto original = store::original_of(own);
    if (original.empty()) return;
    const auto first = store::read_lock_note(original);
    const bool elsewhere = first.mount_namespace != 0 && first.mount_namespace != mount_namespace();
    const std::string where = first.mountpoint.empty()
                                  ? ""
                                  : fmt::format(" at {} (process {}{})", first.mountpoint, first.process,
                                                elsewhere ? ", in another mount namespace" : "");
    notices().set("second mount",
                  fmt::format("the account is mounted already{}: this mount has a cache and a journal of "
                              "its own, {}",
                              where, own));
  }

  enum class Stage : std::uint8_t { running, ending };

  /// In the lock files of the account's directories, for the next mount.
  void note_mount(Stage stage) const {
    store::LockNote note;
    note.ending = stage == Stage::ending;
    note.process = ::getpid();
    note.patience = options_.timeout;
    note.mountpoint = options_.mountpoint;
    note.mount_namespace = mount_namespace();
    if (mount_) note.device = mount_->device();
    if (directory_) store::write_lock_note(directory_->path, note);
    if (journal_) store::write_lock_note(journal_->directory(), note);
  }

  /// Says what becomes of it. A failure during the start is told by the start.
  std::function<Result<std::string>(const CallContext&)> told_password() const {
    return [password = password_](const CallContext& context) {
      auto secret = password->get(context);
      if (secret) notices().clear("password");
      else if (!context.cancelled() && notices().is_live()) notices().set("password", secret.error().what);
      return secret;
    };
  }

  Result<void> start_account(const std::stop_token& stop) {
    const auto context = CallContext::within(options_.timeout, stop);
    auto account = account_settings(options_, password_);
    account.password = told_password();
    if (directory_ && options_.compress == imap::CompressionMode::automatic) {
      compression_ = std::make_shared<imap::CompressionChoice>(options_.compress,
                                                               remembered_compression(directory_->path));
      account.compression = compression_;
    }
    const imap::SessionFactory factory = [account](const CallContext& call) {
      auto session = imap::open_session(account, call);
      if (session) notices().clear("offline");
      return session;
    };
    sync::SyncSettings settings;
    settings.account = options_.account();
    settings.names = options_.names;
    settings.refresh = options_.refresh;
    settings.connections = options_.connections;
    settings.watch = options_.watch;
    settings.idle_renewal = options_.idle;
    settings.poll_interval = options_.poll;
    settings.timeout = options_.timeout;
    settings.removal = options_.removal;
    settings.write_behind = options_.write_behind;
    account_ = std::make_unique<sync::ImapAccount>(settings, factory, std::move(metadata_), bodies_, journal_,
                                                   *scheduler_, publisher_);
    publisher_.connect_mailboxes(&account_->mailboxes());
    return connect_account(factory, context);
  }

  /// Without the network the mount stands on what is cached; a refused login or certificate is the user's to mend.
  Result<void> connect_account(const imap::SessionFactory& factory, const CallContext& context) {
    Error problem;
    for (int attempt = 0; attempt < connect_attempts; ++attempt) {
      auto session = factory(context);
      auto started = session ? account_->start(std::move(*session), context) : Result<void>(fail(session.error()));
      if (started) return {};
      problem = std::move(started).error();
      // Only a connection that was lost half-way is worth another try at once.
      if (problem.scope != Scope::session || problem.retry != Retry::now) break;
    }
    if (problem.scope == Scope::account || context.cancelled()) return fail(std::move(problem));
    if (!account_->start(nullptr, context)) return fail(std::move(problem));
    notices().set("offline", "mounted from the cache, without a connection: " + problem.what);
    return {};
  }

  Result<void> start_mount() {
    vfs::Settings settings;
    settings.uid = options_.uid;
    settings.gid = options_.gid;
    settings.shared = options_.allow_other;
    settings.umask = options_.umask.value_or(options_.allow_other ? own_umask_ : 0);
    settings.staging_limit = options_.staging_size;
    settings.append_flags = options_.append_flags;
    settings.read_only = options_.read_only;
    settings.requests = [requests = requests_] { return requests->describe(); };
    settings.configuration = [this] { return configuration(); };
    auto outbox = journal_ ? std::make_unique<sync::Outbox>(journal_) : nullptr;
    filesystem_ = std::make_unique<vfs::Filesystem>(*account_, publisher_, *scheduler_, settings, std::move(outbox));
    mount_ = IMAPFS_TRY(fuse::Mount::create(mount_settings(), *filesystem_, *scheduler_, requests_));
    mount_watched_ = mounts_.holds(mount_->device(), mount_type);
    mount_->on_ended([descriptor = mount_ended_] { ::eventfd_write(descriptor, 1); });
    publisher_.connect_notifier(&mount_->notifier());
    return {};
  }

  fuse::MountSettings mount_settings() const {
    fuse::MountSettings settings;
    settings.mountpoint = options_.mountpoint;
    settings.source = options_.fsname;
    settings.allow_other = options_.allow_other;
    settings.nonempty = options_.nonempty;
    settings.kernel_options = options_.kernel_options;
    if (options_.auto_unmount) settings.kernel_options.emplace_back("auto_unmount");
    if (options_.read_only) settings.kernel_options.emplace_back("ro");
    settings.debug = options_.debug;
    settings.timeout = options_.timeout;
    settings.list_xattrs = options_.list_xattrs;
    return settings;
  }

  nlohmann::json configuration() const {
    return {{"url", options_.url()},
            {"mountpoint", options_.mountpoint},
            {"password", password_->description()},
            {"name", options_.names.text()},
            {"timeout", options_.timeout.count()},
            {"refresh", options_.refresh.count()},
            {"idle", options_.idle.count()},
            {"poll", options_.poll.count()},
            {"connections", options_.connections},
            {"compress", to_string(options_.compress)},
            {"watch", options_.watch},
            {"cache", directory_ ? directory_->path : ""},
            {"cache_size", options_.cache_size},
            {"read_only", journal_ == nullptr},
            {"state", journal_ ? journal_->directory() : ""},
            {"staging_size", options_.staging_size},
            {"on_delete", to_string(options_.removal)},
            {"append_flags", options_.append_flags.to_string()},
            {"sync", !options_.write_behind},
            {"list_xattrs", options_.list_xattrs},
            {"version", IMAPFS_VERSION}};
  }

  /// From the kernel down: nothing asks any more before what answers goes away.
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    note_mount(Stage::ending);
    if (filesystem_) filesystem_->shut_down();
    const bool was_live = mount_ != nullptr;
    if (mount_) mount_->unmount();
    if (was_live && journal_) drain();
    if (account_) account_->stop();
    if (compression_) remember_compression(directory_->path, compression_->wanted());
    publisher_.connect_notifier(nullptr);
    if (scheduler_) scheduler_->close();
    mount_.reset();
    filesystem_.reset();
    publisher_.connect_mailboxes(nullptr);
    account_.reset();
    journal_.reset();
  }

  /// What was accepted is in the journal whatever happens here; most of it needs a moment only.
  void drain() {
    constexpr std::chrono::seconds to_spare{10};
    notify_service_manager(fmt::format("STOPPING=1\nSTATUS=changes go to the server\nEXTEND_TIMEOUT_USEC={}",
                                       std::chrono::microseconds(options_.timeout + to_spare).count()));
    const auto everything = [this](Completion<void> done) {
      filesystem_->fsyncdir({}, vfs::root_node, std::move(done));
    };
    const auto settled = await_last_changes(everything, options_.timeout, signals_);
    if (!settled) telemetry::warning("ending before every change was made: {}", settled.error().what);
    const auto waiting = describe_waiting(*journal_);
    if (!waiting.empty()) telemetry::warning("{} stay in {} for the next mount", waiting, journal_->directory());
  }

  const Options options_;
  const std::shared_ptr<PasswordSource> password_;
  const int signals_;
  mode_t own_umask_ = 0;  ///< of who mounts
  const int mount_ended_;
  bool stopped_ = false;
  std::string cache_problem_;
  /// Opened before there is a mount, so that nothing that happens to it is missed.
  const MountTable mounts_;
  /// Whether the mount has been seen in the table. Where it is made in another namespace it never is.
  bool mount_watched_ = false;

  std::optional<store::AccountDirectory> directory_;
  std::unique_ptr<store::MetadataStore> metadata_;
  std::shared_ptr<store::MessageCache> bodies_;
  std::shared_ptr<store::Journal> journal_;               ///< null: the mount is read-only
  std::shared_ptr<imap::CompressionChoice> compression_;  ///< null: as the option says, nothing to remember
  std::unique_ptr<Scheduler> scheduler_;
  vfs::ChangePublisher publisher_;
  std::unique_ptr<sync::ImapAccount> account_;
  std::unique_ptr<vfs::Filesystem> filesystem_;
  const std::shared_ptr<fuse::RequestRegistry> requests_ = std::make_shared<fuse::RequestRegistry>();
  std::unique_ptr<fuse::Mount> mount_;
};

Daemon::Daemon(Options options, std::shared_ptr<PasswordSource> password)
    : implementation_(std::make_unique<Implementation>(std::move(options), std::move(password))) {}
Daemon::~Daemon() = default;
Result<void> Daemon::start() { return implementation_->start(); }
int Daemon::run() { return implementation_->run(); }

}  // namespace imapfs::app
