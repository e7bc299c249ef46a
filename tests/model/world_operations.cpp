#include "world.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

namespace imapfs::testing::model {
namespace {

using State = Place::State;

constexpr std::size_t most_living = 50;
constexpr std::size_t most_mailboxes = 9;

std::string mail_of(const std::string& key) {
  return "From: bob@example.org\r\nSubject: key " + key + "\r\nMessage-ID: <" + key + "@example.org>\r\n\r\n" +
         std::string(key.size() * 40, 'x') + "\r\n";
}

int outcome(int result) { return result == 0 ? 0 : errno; }

int rename_file(const std::string& from, const std::string& to, bool replace) {
  return outcome(static_cast<int>(
      ::syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), replace ? 0U : RENAME_NOREPLACE)));
}

struct Written {
  bool opened = false;
  int error = 0;
};

Written write_whole(const std::string& path, const std::string& text, int flags) {
  Written written;
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
  if (file < 0) {
    written.error = errno;
    return written;
  }
  written.opened = true;
  if (::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) written.error = errno;
  if (::close(file) != 0 && written.error == 0) written.error = errno;
  return written;
}

/// The error that says nothing was done, for sure.
bool nothing_done(int error) {
  return error == ENOENT || error == EEXIST || error == ENOTEMPTY || error == EBUSY || error == EINVAL;
}

}  // namespace

void World::step() {
  struct Row {
    std::size_t weight;
    void (World::*operation)();
  };
  static constexpr Row rows[] = {
      {14, &World::create},
      {6, &World::rewrite},
      {6, &World::rename_in_mailbox},
      {16, &World::move},
      {3, &World::move_over},
      {8, &World::copy},
      {10, &World::remove},
      {5, &World::restore},
      {6, &World::star},
      {3, &World::make_mailbox},
      {3, &World::remove_mailbox},
      {3, &World::rename_mailbox},
      {6, &World::other_delivers},
      {3, &World::other_moves},
      {2, &World::other_flags_deleted},
      {2, &World::other_expunges},
      {3, &World::cut},
      {2, &World::pause},
      {1, &World::drop},
      {1, &World::kill},
  };
  std::size_t total = 0;
  for (const auto& row : rows) total += row.weight;
  auto chosen = below(total);
  for (const auto& row : rows) {
    if (chosen < row.weight) return (this->*row.operation)();
    chosen -= row.weight;
  }
}

bool World::done(const std::string& what, int error) {
  history_.push_back(what + (error == 0 ? "" : std::string(": ") + std::strerror(error)));
  failures_ += error != 0 ? 1U : 0U;
  return error == 0;
}

void World::user_brings(Copy& copy, const Place& after, int error) {
  copy.touched_by_user = true;
  if (nothing_done(error) && !copy.touched_by_other) return;
  copy.moves_to(after, error == 0 && !copy.touched_by_other);
}

// -- choosing --

std::string World::some_mailbox() {
  auto chosen = reference_.mailboxes.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(below(reference_.mailboxes.size())));
  return *chosen;
}

Copy* World::for_user(State state, bool intricate) {
  std::vector<Copy*> possible;
  for (auto& copy : reference_.copies) {
    if (!copy.certain() || copy.name.empty() || copy.place().state != state) continue;
    // A message that another client has touched meanwhile: only what has a clear outcome, and not often.
    if (copy.touched_by_other && (intricate || below(5) != 0)) continue;
    possible.push_back(&copy);
  }
  if (possible.empty()) return nullptr;
  auto* chosen = possible[below(possible.size())];
  chosen->intricate = chosen->intricate || intricate;
  return chosen;
}

Copy* World::for_other(State state) {
  std::vector<Copy*> possible;
  for (auto& copy : reference_.copies) {
    if (!copy.certain() || copy.intricate || copy.place().state != state || has_twin(copy)) continue;
    if (copy.touched_by_user && below(5) != 0) continue;
    possible.push_back(&copy);
  }
  return possible.empty() ? nullptr : possible[below(possible.size())];
}

/// Whether there is another copy that is alike. On the server it may still be where this one is, and then nobody could
/// say which of them another client has touched.
bool World::has_twin(const Copy& copy) const {
  return std::any_of(reference_.copies.begin(), reference_.copies.end(), [&](const Copy& other) {
    return &other != &copy && std::any_of(other.places.begin(), other.places.end(),
                                          [&](const Place& place) { return place.key == copy.place().key; });
  });
}

/// A message of that name comes to .deleted: which of those there has the name from now on, only the mount knows.
void World::doubt_deleted_name(const std::string& mailbox, const std::string& name) {
  for (auto& copy : reference_.copies)
    if (copy.name == name && copy.place().mailbox == mailbox && copy.place().state == State::deleted) copy.name.clear();
}

// -- the user --

void World::create() {
  std::size_t living = 0;
  for (const auto& copy : reference_.copies) living += copy.place().state == State::living ? 1U : 0U;
  if (living >= most_living) return remove();
  const auto mailbox = some_mailbox();
  const auto name = new_name();
  const auto key = std::to_string(++messages_) + ".1";
  const auto written = write_whole(mount_->path(mailbox + "/" + name), mail_of(key), O_CREAT | O_EXCL);
  Copy copy;
  copy.places = {Place{mailbox, State::living, key}};
  copy.name = name;
  copy.starred = false;
  copy.touched_by_user = copy.intricate = true;
  if (!done("create " + mailbox + "/" + name + " (" + key + ")", written.error)) {
    copy.also(Place{mailbox, State::gone, key});
    if (written.opened) refused_uploads_[name] = key;
  }
  reference_.copies.push_back(std::move(copy));
}

void World::rewrite() {
  auto* copy = for_user(State::living, true);
  if (copy == nullptr) return;
  const auto old = copy->place();
  const auto dot = old.key.find('.');
  // Never used before: what was refused once may still be looked up.
  const auto key = old.key.substr(0, dot) + "." + std::to_string(++names_ + 1);
  const auto written = write_whole(path(*copy), mail_of(key), O_TRUNC);
  copy->touched_by_user = true;
  doubt_deleted_name(old.mailbox, copy->name);
  Copy left;
  left.places = {Place{old.mailbox, State::deleted, old.key}};
  if (!done("rewrite " + old.mailbox + "/" + copy->name + " (" + old.key + " -> " + key + ")", written.error))
    left.also(Place{old.mailbox, State::gone, old.key});
  copy->moves_to(Place{old.mailbox, State::living, key}, written.error == 0);
  reference_.copies.push_back(std::move(left));
}

void World::rename_in_mailbox() {
  auto* copy = for_user(State::living, true);
  if (copy == nullptr) return;
  const auto name = new_name();
  const auto& mailbox = copy->place().mailbox;
  const int error = rename_file(path(*copy), mount_->path(mailbox + "/" + name), false);
  const bool renamed = done("mv " + mailbox + "/" + copy->name + " " + name + " (" + copy->place().key + ")", error);
  copy->touched_by_user = true;
  copy->name = renamed ? name : "";
}

void World::move() {
  auto* copy = for_user(State::living, false);
  if (copy == nullptr) return;
  const auto mailbox = some_mailbox();
  if (mailbox == copy->place().mailbox) return;
  const auto name = below(3) == 0 ? new_name() : copy->name;
  const int error = rename_file(path(*copy), mount_->path(mailbox + "/" + name), false);
  const bool moved = done(
      "mv " + copy->place().mailbox + "/" + copy->name + " " + mailbox + "/" + name + " (" + copy->place().key + ")",
      error);
  copy->name = moved && !copy->touched_by_other ? name : "";
  user_brings(*copy, Place{mailbox, State::living, copy->place().key}, error);
}

void World::move_over() {
  auto* copy = for_user(State::living, true);
  auto* target = for_user(State::living, true);
  if (copy == nullptr || copy == target) return;
  const auto where = target->place();
  const int error = rename_file(path(*copy), path(*target), true);
  const bool moved = done("mv -f " + copy->place().mailbox + "/" + copy->name + " " + where.mailbox + "/" +
                              target->name + " (" + copy->place().key + " over " + where.key + ")",
                          error);
  const auto name = target->name;
  doubt_deleted_name(where.mailbox, name);
  user_brings(*target, Place{where.mailbox, State::deleted, where.key}, error);
  user_brings(*copy, Place{where.mailbox, State::living, copy->place().key}, error);
  copy->name = moved ? name : "";
  target->name.clear();
}

void World::copy() {
  auto* original = for_user(State::living, true);
  if (original == nullptr) return;
  const auto mailbox = some_mailbox();
  const auto name = new_name();
  const int source = ::open(path(*original).c_str(), O_RDONLY | O_CLOEXEC);
  int error = source < 0 ? errno : 0;
  const int target = error != 0 ? -1
                                : ::open(mount_->path(mailbox + "/" + name).c_str(),
                                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool opened = target >= 0;
  if (error == 0 && !opened) error = errno;
  struct stat status {};
  if (opened && (::fstat(source, &status) != 0 || ::copy_file_range(source, nullptr, target, nullptr,
                                                                    static_cast<std::size_t>(status.st_size), 0) < 0)) {
    error = errno;
    // What is left is an empty file.
    ::unlink(mount_->path(mailbox + "/" + name).c_str());
  }
  if (opened && ::close(target) != 0 && error == 0) error = errno;
  if (source >= 0) ::close(source);
  original->touched_by_user = true;
  Copy made;
  made.places = {Place{mailbox, State::living, original->place().key}};
  made.name = name;
  made.starred = original->starred;
  made.touched_by_user = made.intricate = true;
  if (!done("cp " + original->place().mailbox + "/" + original->name + " " + mailbox + "/" + name + " (" +
                original->place().key + ")",
            error))
    for (const auto state : {State::gone, State::deleted}) made.also(Place{mailbox, state, original->place().key});
  reference_.copies.push_back(std::move(made));
}

void World::remove() {
  auto* copy = for_user(State::living, false);
  if (copy == nullptr) return;
  const int error = outcome(::unlink(path(*copy).c_str()));
  done("rm " + copy->place().mailbox + "/" + copy->name + " (" + copy->place().key + ")", error);
  doubt_deleted_name(copy->place().mailbox, copy->name);
  copy->name.clear();
  user_brings(*copy, Place{copy->place().mailbox, State::deleted, copy->place().key}, error);
}

void World::restore() {
  auto* copy = for_user(State::deleted, true);
  if (copy == nullptr) return;
  const auto& mailbox = copy->place().mailbox;
  const auto name = new_name();
  const int error = rename_file(mount_->path(mailbox + "/.deleted/" + copy->name), mount_->path(mailbox + "/" + name),
                                false);
  const bool restored = done("mv " + mailbox + "/.deleted/" + copy->name + " " + name + " (" + copy->place().key + ")",
                             error);
  copy->name = restored ? name : "";
  user_brings(*copy, Place{mailbox, State::living, copy->place().key}, error);
}

void World::star() {
  auto* copy = for_user(State::living, true);
  if (copy == nullptr) return;
  const bool on = below(2) == 0;
  const std::string value = on ? "+\\Flagged" : "-\\Flagged";
  const int error = outcome(::setxattr(path(*copy).c_str(), "user.imap.flags", value.data(), value.size(), 0));
  copy->touched_by_user = true;
  if (done("flags " + value + " " + copy->place().mailbox + "/" + copy->name + " (" + copy->place().key + ")", error))
    copy->starred = on;
  else copy->starred.reset();
}

void World::make_mailbox() {
  if (reference_.mailboxes.size() >= most_mailboxes) return remove_mailbox();
  auto name = "box" + std::to_string(++mailboxes_);
  if (const auto parent = some_mailbox(); parent != "INBOX" && below(3) == 0) name = parent + "/" + name;
  const int error = outcome(::mkdir(mount_->path(name).c_str(), 0700));
  if (done("mkdir " + name, error)) reference_.mailboxes.insert(name);
  else reference_.perhaps_mailboxes.insert(name);
}

void World::remove_mailbox() {
  const auto mailbox = some_mailbox();
  const int error = outcome(::rmdir(mount_->path(mailbox).c_str()));
  if (!done("rmdir " + mailbox, error) && nothing_done(error)) return;
  for (const auto& other : reference_.mailboxes)
    if (error == 0 && other.starts_with(mailbox + "/"))
      wrong_ += "rmdir removed " + mailbox + " although it holds " + other + "\n";
  for (auto& copy : reference_.copies) {
    if (error == 0 && copy.lives_in(mailbox) && !copy.touched_by_other)
      wrong_ += "rmdir removed " + mailbox + " although it holds " + copy.name + " (" + copy.place().key + ")\n";
    const auto places = copy.places;
    for (const auto& place : places)
      if (place.mailbox == mailbox) copy.also(Place{mailbox, State::gone, place.key});
  }
  reference_.perhaps_mailboxes.insert(mailbox);
  if (error == 0) {
    reference_.mailboxes.erase(mailbox);
    reference_.perhaps_mailboxes.erase(mailbox);
  }
}

void World::rename_mailbox() {
  const auto from = some_mailbox();
  if (from == "INBOX") return;
  auto to = "box" + std::to_string(++mailboxes_);
  if (const auto parent = some_mailbox();
      parent != "INBOX" && parent != from && !parent.starts_with(from + "/") && below(3) == 0)
    to = parent + "/" + to;
  const int error = outcome(::rename(mount_->path(from).c_str(), mount_->path(to).c_str()));
  const bool sure = done("mv " + from + " " + to, error);
  if (!nothing_done(error)) mailboxes_move(from, to, sure);
}

void World::mailboxes_move(const std::string& from, const std::string& to, bool sure) {
  const auto moved = [&](const std::string& mailbox) -> std::string {
    if (mailbox == from) return to;
    return mailbox.starts_with(from + "/") ? to + mailbox.substr(from.size()) : "";
  };
  const auto before = reference_.mailboxes;
  for (const auto& mailbox : before) {
    const auto after = moved(mailbox);
    if (after.empty()) continue;
    if (sure) reference_.mailboxes.erase(mailbox);
    else reference_.perhaps_mailboxes.insert({mailbox, after});
    if (sure) reference_.mailboxes.insert(after);
  }
  for (auto& copy : reference_.copies) {
    const auto places = copy.places;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto after = moved(places[i].mailbox);
      if (after.empty()) continue;
      copy.intricate = true;
      if (sure) copy.places[i].mailbox = after;
      else copy.also(Place{after, places[i].state, places[i].key});
    }
  }
}

// -- the other client --

void World::other_delivers() {
  const auto mailbox = some_mailbox();
  const auto key = std::to_string(++messages_) + ".1";
  if (other_->try_command("STATUS " + imap_quoted(mailbox) + " (UIDNEXT)").find("* STATUS") == std::string::npos)
    return;
  other_->append(mailbox, mail_of(key));
  Copy copy;
  copy.places = {Place{mailbox, State::living, key}};
  copy.starred = false;
  copy.touched_by_other = true;
  reference_.copies.push_back(std::move(copy));
  done("other: deliver to " + mailbox + " (" + key + ")", 0);
}

void World::other_moves() {
  auto* copy = for_other(State::living);
  const auto mailbox = some_mailbox();
  if (copy == nullptr || mailbox == copy->place().mailbox || !other_->exists(mailbox)) return;
  const auto uid = uid_of(copy->place());
  if (uid == 0) return;
  other_->command("SELECT " + imap_quoted(copy->place().mailbox));
  other_->try_command("UID MOVE " + std::to_string(uid) + " " + imap_quoted(mailbox));
  other_->command("UNSELECT");
  done("other: move " + copy->place().key + " from " + copy->place().mailbox + " to " + mailbox, 0);
  copy->moves_to(Place{mailbox, State::living, copy->place().key}, !copy->touched_by_user);
  copy->touched_by_other = true;
  copy->name.clear();
}

void World::other_flags_deleted() {
  auto* copy = for_other(State::living);
  if (copy == nullptr) return;
  const auto uid = uid_of(copy->place());
  if (uid == 0) return;
  other_->command("SELECT " + imap_quoted(copy->place().mailbox));
  other_->try_command("UID STORE " + std::to_string(uid) + " +FLAGS (\\Deleted)");
  other_->command("UNSELECT");
  done("other: flag \\Deleted " + copy->place().key + " in " + copy->place().mailbox, 0);
  // A move that the user was promised carries the flag along.
  const auto places = copy->places;
  for (const auto& place : places)
    copy->moves_to(Place{place.mailbox, State::deleted, place.key}, !copy->touched_by_user);
  copy->touched_by_other = true;
  copy->name.clear();
}

void World::other_expunges() {
  auto* copy = for_other(below(2) == 0 ? State::living : State::deleted);
  if (copy == nullptr) return;
  const auto uid = uid_of(copy->place());
  if (uid == 0) return;
  other_->command("SELECT " + imap_quoted(copy->place().mailbox));
  other_->try_command("UID STORE " + std::to_string(uid) + " +FLAGS (\\Deleted)");
  other_->try_command("UID EXPUNGE " + std::to_string(uid));
  other_->command("UNSELECT");
  done("other: expunge " + copy->place().key + " from " + copy->place().mailbox, 0);
  copy->also(Place{copy->place().mailbox, State::deleted, copy->place().key});
  copy->moves_to(Place{copy->place().mailbox, State::gone, copy->place().key}, !copy->touched_by_user);
  if (!copy->touched_by_user) copy->places = {Place{copy->place().mailbox, State::gone, copy->place().key}};
  copy->touched_by_other = true;
  copy->name.clear();
}

// -- faults --

void World::cut() {
  const auto direction = below(2) == 0 ? FaultProxy::Direction::from_client : FaultProxy::Direction::from_server;
  const auto bytes = below(1500);
  proxy_->set_trap(FaultProxy::Trap{direction, bytes, FaultProxy::Trap::Action::cut});
  done("fault: cut " + std::string(direction == FaultProxy::Direction::from_client ? "client" : "server") + " after " +
           std::to_string(bytes),
       0);
}

void World::pause() {
  proxy_->set_black_hole(true);
  done("fault: pause", 0);
  // These do not wait for the network, unless they have to.
  std::jthread end([this, time = std::chrono::milliseconds(20 + below(300))] {
    std::this_thread::sleep_for(time);
    proxy_->set_black_hole(false);
  });
  for (auto count = below(4); count > 0; --count) below(2) == 0 ? move() : remove();
}

void World::drop() {
  proxy_->drop_connections();
  done("fault: drop", 0);
}

void World::kill() {
  mount_->kill_daemon();
  mount_->mount();
  done("fault: kill and remount", 0);
}

}  // namespace imapfs::testing::model
