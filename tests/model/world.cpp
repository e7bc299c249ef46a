#include "world.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace imapfs::testing::model {
namespace {

constexpr std::size_t history_length = 150;
constexpr std::size_t many_deleted = 40;

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* listing = ::opendir(directory.c_str());
  if (listing == nullptr) return names;
  while (const dirent* entry = ::readdir(listing))
    if (entry->d_name[0] != '.' && entry->d_type != DT_DIR) names.emplace_back(entry->d_name);
  ::closedir(listing);
  return names;
}

/// "Subject: key 17.2": 17.2.
std::string key_of(const std::string& text) {
  const std::string field = "Subject: key ";
  const auto start = text.find(field);
  if (start == std::string::npos) return text.empty() ? "(nothing)" : "(no key)";
  return text.substr(start + field.size(), text.find('\r', start) - start - field.size());
}

Census counted(const std::map<std::string, std::map<std::string, std::string>>& listed) {
  Census census;
  for (const auto& [mailbox, names] : listed)
    for (const auto& [name, key] : names) ++census[mailbox][key];
  return census;
}

}  // namespace

World::World(std::uint64_t seed) : random_(seed) {
  dovecot_ = std::make_unique<Dovecot>(std::vector<std::string>{"--no-tls", "--no-list-index"});
  other_ = std::make_unique<OtherClient>(*dovecot_);
  for (const char* mailbox : {"box1", "box2", "box1/box3"}) other_->command(std::string("CREATE ") + mailbox);
  proxy_ = std::make_unique<FaultProxy>(dovecot_->imap_port());
  Mounted::Settings settings;
  settings.url = "imap://anna@127.0.0.1:" + std::to_string(proxy_->port());
  settings.options = {"-o", "insecure", "--on-delete=flag", "--refresh=1", "--poll=1", "--timeout=5"};
  if (const char* trace = std::getenv("IMAPFS_MODEL_TRACE"); trace != nullptr && *trace != 0)
    settings.options.push_back(std::string("--trace=") + trace);
  mount_ = std::make_unique<Mounted>(*dovecot_, settings);
  mailboxes_ = 3;
  reference_.mailboxes = mailboxes_of_server();
}

// -- looking --

void World::look_at_server() {
  living_.clear();
  deleted_.clear();
  stars_.clear();
  for (const auto& mailbox : mailboxes_of_server()) {
    auto& alive = living_[mailbox];
    auto& flagged = deleted_[mailbox];
    for (const auto& message : other_->messages(mailbox)) {
      const auto key = key_of(message.body);
      ++(message.deleted() ? flagged : alive)[key];
      if (!message.deleted()) stars_[{mailbox, key}].push_back(message.has("\\Flagged"));
    }
  }
  std::erase_if(living_, [](const auto& item) { return item.second.empty(); });
  std::erase_if(deleted_, [](const auto& item) { return item.second.empty(); });
}

Census World::look_at_mount() {
  listed_.clear();
  listed_deleted_.clear();
  for (const auto& mailbox : mailboxes_of_server()) {
    for (const auto& name : names_in(mount_->path(mailbox))) {
      auto key = key_of(read_file(mount_->path(mailbox + "/" + name)));
      listed_[mailbox][name] = key.starts_with("(") ? key + name : key;
    }
    const auto hidden = mailbox + "/.deleted";
    for (const auto& name : names_in(mount_->path(hidden)))
      listed_deleted_[mailbox][name] = key_of(read_file(mount_->path(hidden + "/" + name)));
  }
  return counted(listed_);
}

std::set<std::string> World::mailboxes_of_server() {
  std::set<std::string> found;
  std::istringstream rows(other_->command("LIST \"\" \"*\""));
  for (std::string row; std::getline(rows, row);) {
    if (!row.starts_with("* LIST") || row.find("\\Noselect") != std::string::npos ||
        row.find("\\NonExistent") != std::string::npos)
      continue;
    auto name = row.substr(row.find("\"/\" ") + 4);
    std::erase_if(name, [](char character) { return character == '"' || character == '\r'; });
    // The server makes these again by itself.
    if (name == "Drafts" || name == "Sent" || name == "Trash") continue;
    found.insert(name);
  }
  return found;
}

std::uint32_t World::uid_of(const Place& place) {
  if (!other_->exists(place.mailbox)) return 0;
  for (const auto& message : other_->messages(place.mailbox))
    if (key_of(message.body) == place.key && message.deleted() == (place.state == Place::State::deleted))
      return message.uid;
  return 0;
}

// -- checkpoints --

bool World::drain() {
  return eventually(
      [&] {
        const int root = ::open(mount_->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        // What is in the outbox is told, and waited for by nobody.
        const bool settled = root >= 0 && (::fsync(root) == 0 ||
                                           (errno == EIO && !names_in(mount_->path(".imapfs/outbox")).empty()));
        if (root >= 0) ::close(root);
        return settled;
      },
      40);
}

std::string World::checkpoint() {
  proxy_->set_trap(std::nullopt);
  if (!drain()) return "what was accepted does not end\n";
  const auto mailboxes = mailboxes_of_server();
  look_at_server();
  std::string wrong = judge_mailboxes(mailboxes) + reference_.classify(living_, deleted_) + judge_stars() +
                      judge_outbox();
  if (!wrong.empty()) return wrong;
  const bool agreed = eventually([&] { return look_at_mount() == living_ && counted(listed_deleted_) == deleted_; });
  if (!agreed) {
    for (const auto& [name, census] :
         {std::pair{"mount", counted(listed_)}, std::pair{"server", living_},
          std::pair{"mount, deleted", counted(listed_deleted_)}, std::pair{"server, deleted", deleted_}}) {
      wrong += std::string(name) + ":";
      for (const auto& [mailbox, keys] : census)
        for (const auto& [key, count] : keys)
          wrong += " " + mailbox + "/" + key + (count == 1 ? "" : " x" + std::to_string(count));
      wrong += "\n";
    }
    return "the mount does not show what the server holds\n" + wrong;
  }
  wrong = judge_names();
  adopt(mailboxes);
  tidy_deleted();
  history_.push_back("-- checkpoint --");
  return wrong;
}

std::string World::judge_mailboxes(const std::set<std::string>& found) const {
  std::string wrong;
  for (const auto& mailbox : reference_.mailboxes)
    if (!found.contains(mailbox) && !reference_.perhaps_mailboxes.contains(mailbox))
      wrong += "mailbox " + mailbox + " is gone\n";
  for (const auto& mailbox : found)
    if (!reference_.mailboxes.contains(mailbox) && !reference_.perhaps_mailboxes.contains(mailbox))
      wrong += "mailbox " + mailbox + " is there\n";
  return wrong;
}

std::string World::judge_names() const {
  std::string wrong;
  for (const auto& copy : reference_.copies) {
    if (!copy.certain() || copy.name.empty() || copy.place().state != Place::State::living) continue;
    const auto mailbox = listed_.find(copy.place().mailbox);
    const auto name = mailbox == listed_.end() ? std::map<std::string, std::string>::const_iterator{}
                                               : mailbox->second.find(copy.name);
    if (mailbox == listed_.end() || name == mailbox->second.end())
      wrong += copy.place().mailbox + "/" + copy.name + " is not listed (" + copy.place().key +
               "), but: " + names_listed(copy.place()) + "\n";
    else if (name->second != copy.place().key)
      wrong += copy.place().mailbox + "/" + copy.name + " is " + name->second + ", not " + copy.place().key + "\n";
  }
  return wrong;
}

/// Under which names messages with this content are listed there.
std::string World::names_listed(const Place& place) const {
  std::string names;
  const auto mailbox = listed_.find(place.mailbox);
  if (mailbox == listed_.end()) return "(no such mailbox)";
  for (const auto& [name, key] : mailbox->second)
    if (key == place.key) names += (names.empty() ? "" : " ") + name;
  return names;
}

std::string World::judge_stars() const {
  std::string wrong;
  for (const auto& copy : reference_.copies) {
    if (!copy.certain() || !copy.starred || copy.touched_by_other || copy.place().state != Place::State::living)
      continue;
    const auto found = stars_.find({copy.place().mailbox, copy.place().key});
    if (found == stars_.end() || found->second.size() != 1) continue;  // one of several
    if (found->second[0] != *copy.starred)
      wrong += copy.place().key + " in " + copy.place().mailbox + (*copy.starred ? " has lost" : " has got") +
               " \\Flagged\n";
  }
  return wrong;
}

std::string World::judge_outbox() {
  std::string wrong;
  const auto kept = names_in(mount_->path(".imapfs/outbox"));
  for (const auto& [name, key] : refused_uploads_) {
    bool held = std::any_of(kept.begin(), kept.end(), [&](const auto& entry) { return entry.ends_with(name); });
    for (const auto& census : {living_, deleted_})
      for (const auto& [mailbox, keys] : census) held = held || keys.contains(key);
    if (!held) wrong += name + " (" + key + ") is neither on the server nor in the outbox\n";
  }
  for (const auto& entry : kept) ::unlink(mount_->path(".imapfs/outbox/" + entry).c_str());
  refused_uploads_.clear();
  return wrong;
}

/// From here on nothing is unclear.
void World::adopt(const std::set<std::string>& mailboxes) {
  reference_.mailboxes = mailboxes;
  reference_.perhaps_mailboxes.clear();
  reference_.copies.clear();
  const auto take = [&](const auto& listed, Place::State state) {
    for (const auto& [mailbox, names] : listed)
      for (const auto& [name, key] : names) {
        Copy copy;
        copy.places = {Place{mailbox, state, key}};
        copy.name = name;
        const auto found = stars_.find({mailbox, key});
        if (state == Place::State::living && found != stars_.end() && found->second.size() == 1)
          copy.starred = found->second[0];
        reference_.copies.push_back(std::move(copy));
      }
  };
  take(listed_, Place::State::living);
  take(listed_deleted_, Place::State::deleted);
}

/// Another client expunges what is flagged when there is much of it.
void World::tidy_deleted() {
  std::size_t flagged = 0;
  for (const auto& copy : reference_.copies) flagged += copy.place().state == Place::State::deleted ? 1U : 0U;
  if (flagged < many_deleted) return;
  for (const auto& mailbox : reference_.mailboxes) {
    other_->command("SELECT " + imap_quoted(mailbox));
    other_->command("EXPUNGE");
    other_->command("UNSELECT");
  }
  std::erase_if(reference_.copies, [](const Copy& copy) { return copy.place().state == Place::State::deleted; });
}

std::string World::history() const {
  std::string text;
  const auto first = history_.size() > history_length ? history_.size() - history_length : 0;
  for (auto i = first; i < history_.size(); ++i) text += history_[i] + "\n";
  return text;
}

}  // namespace imapfs::testing::model
