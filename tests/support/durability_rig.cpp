#include "durability_rig.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace imapfs::testing {
namespace {

int outcome(int result) { return result == 0 ? 0 : errno; }

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* listing = ::opendir(directory.c_str());
  if (listing == nullptr) return names;
  while (const dirent* entry = ::readdir(listing))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  ::closedir(listing);
  return names;
}

/// Writes a file as cp does; the errno of close(2), which is the server's word. `written`: everything was taken before
/// that.
int write_whole(const std::string& path, const std::string& text, int flags, bool& written) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
  if (file < 0) return errno;
  int error = 0;
  if (::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) error = errno == 0 ? EIO : errno;
  written = error == 0;
  if (::close(file) != 0 && error == 0) error = errno;
  return error;
}

int copy_whole(const std::string& from, const std::string& to) {
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0) return errno;
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int error = target < 0 ? errno : 0;
  struct stat status {};
  if (error == 0 && ::fstat(source, &status) != 0) error = errno;
  if (error == 0 &&
      ::copy_file_range(source, nullptr, target, nullptr, static_cast<std::size_t>(status.st_size), 0) < 0)
    error = errno;
  if (target >= 0 && ::close(target) != 0 && error == 0) error = errno;
  ::close(source);
  return error;
}

int set_flags(const std::string& path, const std::string& value) {
  return outcome(::setxattr(path.c_str(), "user.imap.flags", value.data(), value.size(), 0));
}

std::string counts(const DurabilityRig::Found& found, const std::string& where) {
  return where + ": " + std::to_string(found.living) + " living, " + std::to_string(found.flagged_deleted) +
         " flagged \\Deleted; ";
}

}  // namespace

DurabilityRig::DurabilityRig(const Dovecot& dovecot, const DurableOperation& operation, const std::string& name,
                             int count)
    : name_(name), proxy_(dovecot.imap_port()), other_(dovecot) {
  {
    // Dovecot takes mailboxes that two clients create at the same moment for the same.
    static std::mutex one_at_a_time;
    const std::lock_guard guard(one_at_a_time);
    other_.command("CREATE " + source());
    other_.command("CREATE " + destination());
    operation.prepare(*this, count);
  }
  other_.append(source(), "From: bob@example.org\r\nSubject: helper\r\n\r\nFor warm().\r\n");
  Mounted::Settings settings;
  settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_.port());
  settings.options = {"-o", "insecure", "--connections=1", "--refresh=3600", "--poll=3600", "--timeout=20"};
  settings.options.insert(settings.options.end(), operation.options.begin(), operation.options.end());
  mount_ = std::make_unique<Mounted>(dovecot, settings);
  list_files();
  if (operation.arrange) operation.arrange(*this, count);
}

std::string DurabilityRig::mail(int number, const std::string& text) {
  return "From: bob@example.org\r\nSubject: number " + std::to_string(number) + "\r\nMessage-ID: <" +
         std::to_string(number) + "@example.org>\r\n\r\n" + text + "\r\n";
}

void DurabilityRig::put_messages(int count, const std::string& flags) {
  std::string command = "APPEND " + source();  // RFC 3502
  for (int number = 0; number < count; ++number) {
    const auto text = mail(number);
    command += " (" + flags + ") {" + std::to_string(text.size()) + "+}\r\n" + text;
  }
  other_.command(command);
}

void DurabilityRig::list_files() {
  for (const auto& name : names_in(path(source()))) {
    const auto at = name.find("number-");
    if (at != std::string::npos) files_[std::atoi(name.c_str() + at + 7)] = name;
    if (name.find("helper") != std::string::npos) files_[helper] = name;
  }
}

DurabilityRig::Found DurabilityRig::find(const std::string& mailbox, int number) {
  const auto known = seen_.find(mailbox);
  if (known != seen_.end()) return known->second[number];
  auto& all = seen_[mailbox];
  if (!other_.exists(mailbox)) return {};
  for (const auto& message : other_.messages(mailbox)) {
    const auto at = message.body.find("Subject: number ");
    if (at == std::string::npos) continue;
    auto& found = all[std::atoi(message.body.c_str() + at + 16)];
    if (message.deleted()) ++found.flagged_deleted;
    if (message.has("\\Flagged")) ++found.starred;
    if (message.deleted()) continue;
    ++found.living;
    if (message.body.find("Changed.") != std::string::npos) ++found.rewritten;
  }
  return all[number];
}

bool DurabilityRig::in_outbox(const std::string& name) const {
  for (const auto& entry : names_in(path(".imapfs/outbox")))
    if (entry.ends_with(name)) return true;
  return false;
}

void DurabilityRig::warm() {
  const auto ready = [&] {
    starred_ = !starred_;
    return set_flags(path(source() + "/" + files_.at(helper)), starred_ ? "+\\Answered" : "-\\Answered") == 0;
  };
  if (!eventually(ready, 30)) throw std::runtime_error("the mount does not come back:\n" + mount_->log());
}

bool DurabilityRig::drain() {
  return eventually(
      [&] {
        const int root = ::open(mount_->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) return false;
        // What is in the outbox is told, and waited for by nobody.
        const bool done = ::fsync(root) == 0 || (errno == EIO && !names_in(path(".imapfs/outbox")).empty());
        ::close(root);
        return done;
      },
      30);
}

std::string DurabilityRig::disagreement() {
  for (const auto& mailbox : {source(), destination()}) {
    std::size_t held = 0;
    const auto agrees = [&] {
      held = other_.living(mailbox).size();
      return names_in(path(mailbox)).size() == held;
    };
    if (!eventually(agrees, 10))
      return mailbox + ": the mount lists " + std::to_string(names_in(path(mailbox)).size()) + ", the server holds " +
             std::to_string(held);
  }
  return {};
}

// -- the operations --

namespace {

void some_messages(DurabilityRig& rig, int count) { rig.put_messages(count); }
void nothing(DurabilityRig&, int) {}

std::string source_file(DurabilityRig& rig, int number) { return rig.path(rig.source() + "/" + rig.file(number)); }

DurableOperation append_operation() {
  return {"Append",
          {},
          nothing,
          {},
          [](DurabilityRig& rig, int number) {
            const auto name = rig.destination() + "/new-" + std::to_string(number) + ".eml";
            bool written = false;
            const int error = write_whole(rig.path(name), DurabilityRig::mail(number), O_CREAT | O_EXCL, written);
            if (written) rig.note_written(number);
            return error;
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.destination(), number);
            if (found.living == 1) return {};
            // What was refused is kept, and said to be.
            const bool kept = !rig.was_written(number) || rig.in_outbox("new-" + std::to_string(number) + ".eml");
            if (found.living == 0 && result != 0 && kept) return {};
            return counts(found, "destination") +
                   "in the outbox: " + (rig.in_outbox("new-" + std::to_string(number) + ".eml") ? "yes" : "no");
          }};
}

DurableOperation rewrite_operation() {
  return {"Rewrite",
          {},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) {
            bool written = false;
            return write_whole(source_file(rig, number), DurabilityRig::mail(number, "Changed."), O_TRUNC, written);
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.source(), number);
            const bool done = found.living == 1 && found.rewritten == 1;
            const bool undone = found.living == 1 && found.rewritten == 0 && found.flagged_deleted == 0;
            if (done || (undone && result != 0)) return {};
            return counts(found, "source") + std::to_string(found.rewritten) + " rewritten";
          }};
}

DurableOperation copy_operation() {
  return {"Copy",
          {},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) {
            return copy_whole(source_file(rig, number),
                              rig.path(rig.destination() + "/copy-" + std::to_string(number) + ".eml"));
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto here = rig.find(rig.source(), number);
            const auto there = rig.find(rig.destination(), number);
            if (here.living == 1 && (there.living == 1 || (there.living == 0 && result != 0))) return {};
            return counts(here, "source") + counts(there, "destination");
          }};
}

DurableOperation move_operation() {
  return {"Move",
          {},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) {
            return outcome(::rename(source_file(rig, number).c_str(),
                                    rig.path(rig.destination() + "/" + rig.file(number)).c_str()));
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto here = rig.find(rig.source(), number);
            const auto there = rig.find(rig.destination(), number);
            const bool moved = here.living == 0 && there.living == 1;
            const bool stayed = here.living == 1 && there.living == 0;
            if (moved || (stayed && result != 0)) return {};
            return counts(here, "source") + counts(there, "destination");
          }};
}

DurableOperation remove_operation() {
  return {"Remove",
          {"--on-delete=flag"},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) { return outcome(::unlink(source_file(rig, number).c_str())); },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.source(), number);
            const bool once = found.living + found.flagged_deleted == 1;
            if (once && (found.flagged_deleted == 1 || result != 0)) return {};
            return counts(found, "source");
          }};
}

DurableOperation restore_operation() {
  return {"Restore",
          {},
          [](DurabilityRig& rig, int count) { rig.put_messages(count); },
          [](DurabilityRig& rig, int count) {
            for (int number = 0; number < count; ++number) ::unlink(source_file(rig, number).c_str());
            rig.drain();
          },
          [](DurabilityRig& rig, int number) {
            const auto hidden = rig.path(rig.source() + "/.deleted/" + rig.file(number));
            return outcome(::rename(hidden.c_str(), source_file(rig, number).c_str()));
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.source(), number);
            const bool once = found.living + found.flagged_deleted == 1;
            if (once && (found.living == 1 || result != 0)) return {};
            return counts(found, "source");
          }};
}

DurableOperation flag_operation() {
  return {"Flag",
          {},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) { return set_flags(source_file(rig, number), "+\\Flagged"); },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.source(), number);
            if (found.living == 1 && (found.starred == 1 || result != 0)) return {};
            return counts(found, "source") + std::to_string(found.starred) + " flagged";
          }};
}

DurableOperation expunge_operation() {
  return {"Expunge",
          {"--on-delete=expunge"},
          some_messages,
          {},
          [](DurabilityRig& rig, int number) { return outcome(::unlink(source_file(rig, number).c_str())); },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto found = rig.find(rig.source(), number);
            const int left = found.living + found.flagged_deleted;
            if (left == 0 || (left == 1 && result != 0)) return {};
            return counts(found, "source");
          }};
}

DurableOperation create_operation() {
  return {"Create",
          {},
          nothing,
          {},
          [](DurabilityRig& rig, int number) {
            return outcome(::mkdir(rig.path(rig.mailbox("new", number)).c_str(), 0700));
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            return result == 0 && !rig.has_mailbox(rig.mailbox("new", number)) ? "the mailbox is not there" : "";
          }};
}

/// Dovecot may say that a mailbox exists which it has just made, while other clients make and delete some.
void make_mailbox(DurabilityRig& rig, const std::string& name) {
  try {
    rig.other().command("CREATE " + name);
  } catch (const std::exception&) {
    if (!rig.has_mailbox(name)) throw;
  }
}

void some_mailboxes(DurabilityRig& rig, int count) {
  for (int number = 0; number < count; ++number) make_mailbox(rig, rig.mailbox("old", number));
}

DurableOperation rename_operation() {
  return {"Rename",
          {},
          [](DurabilityRig& rig, int count) {
            some_mailboxes(rig, count);
            for (int number = 0; number < count; ++number)
              rig.other().append(rig.mailbox("old", number), DurabilityRig::mail(number));
          },
          {},
          [](DurabilityRig& rig, int number) {
            return outcome(
                ::rename(rig.path(rig.mailbox("old", number)).c_str(), rig.path(rig.mailbox("moved", number)).c_str()));
          },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            const auto old = rig.find(rig.mailbox("old", number), number);
            const auto moved = rig.find(rig.mailbox("moved", number), number);
            if (old.living + moved.living == 1 && (moved.living == 1 || result != 0)) return {};
            return counts(old, "under the old name") + counts(moved, "under the new one");
          }};
}

DurableOperation delete_operation() {
  return {"Delete",
          {},
          some_mailboxes,
          {},
          [](DurabilityRig& rig, int number) { return outcome(::rmdir(rig.path(rig.mailbox("old", number)).c_str())); },
          [](DurabilityRig& rig, int number, int result) -> std::string {
            return result == 0 && rig.has_mailbox(rig.mailbox("old", number)) ? "the mailbox is still there" : "";
          }};
}

}  // namespace

std::vector<DurableOperation> durable_operations() {
  return {append_operation(), rewrite_operation(), copy_operation(),  move_operation(),
          remove_operation(), restore_operation(), flag_operation(),  expunge_operation(),
          create_operation(), rename_operation(),  delete_operation()};
}

}  // namespace imapfs::testing
