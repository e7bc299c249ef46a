// Two mounts of one account, each with a user, and another client beside them, all at the same messages at once. Nobody
// can say what an operation finds, so there is no reference: what must hold is that nothing is lost, that both daemons
// live, and that in the end both mounts show what the server holds.
//
// IMAPFS_MODEL_SEED and IMAPFS_MODEL_STEPS as in model_test.cpp; a step is one operation of each of the three.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "settings.hpp"
#include "support/mounted.hpp"
#include "support/other_client.hpp"

namespace imapfs::testing {
namespace {

constexpr int messages = 40;
constexpr std::array<const char*, 2> boxes = {"box1", "box2"};

std::string message_of(const std::string& key) {
  return "From: bob@example.org\nSubject: key " + key + "\nMessage-ID: <" + key + "@example.org>\n\nHello.\n";
}

std::string key_of(const std::string& text) {
  const std::string field = "Subject: key ";
  const auto start = text.find(field);
  if (start == std::string::npos) return {};
  return text.substr(start + field.size(), text.find_first_of("\r\n", start) - start - field.size());
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const listing = ::opendir(directory.c_str());
  if (listing == nullptr) return names;
  while (const dirent* const entry = ::readdir(listing))
    if (entry->d_name[0] != '.' && entry->d_type != DT_DIR) names.emplace_back(entry->d_name);
  ::closedir(listing);
  return names;
}

/// Which keys each mailbox holds, and how often.
using Holdings = std::map<std::string, std::map<std::string, int>>;

std::string text_of(const Holdings& holdings) {
  std::ostringstream text;
  for (const auto& [box, keys] : holdings) {
    text << box << ":";
    for (const auto& [key, count] : keys) text << ' ' << key << (count == 1 ? "" : "*" + std::to_string(count));
    text << '\n';
  }
  return text.str();
}

/// Somebody who does things at random.
class Actor {
 public:
  explicit Actor(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }

 private:
  std::mt19937_64 random_;
};

/// The user of a mount: one thread.
class User : public Actor {
 public:
  User(const Mounted& mount, std::string name, std::uint64_t seed)
      : Actor(seed), mount_(mount), name_(std::move(name)) {}

  void step() {
    const auto choice = below(20);
    if (choice == 0) return create();
    const std::string box = boxes.at(below(2));
    const auto names = names_in(mount_.path(box));
    if (names.empty()) return;
    const auto path = mount_.path(box + "/" + names[below(names.size())]);
    if (choice == 1) remove(path);
    else if (choice < 5) (void)read_file(path);
    else if (choice < 10) flag(path);
    else move(path, box == boxes[0] ? boxes[1] : boxes[0]);
  }
  [[nodiscard]] const std::set<std::string>& created() const { return created_; }
  /// What may be gone.
  [[nodiscard]] const std::set<std::string>& removed() const { return removed_; }

 private:
  void create() {
    const auto key = name_ + std::to_string(++count_);
    const auto path = mount_.path(std::string(boxes.at(below(2))) + "/" + key + ".eml");
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return;
    const auto text = message_of(key);
    const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (::close(file) == 0 && written) created_.insert(key);
  }
  void remove(const std::string& path) {
    const auto key = key_of(read_file(path));
    if (key.empty()) return;
    removed_.insert(key);
    ::unlink(path.c_str());
  }
  void flag(const std::string& path) {
    const std::string change = below(2) == 0 ? "+\\Flagged" : "-\\Flagged";
    ::setxattr(path.c_str(), "user.imap.flags", change.data(), change.size(), 0);
  }
  void move(const std::string& path, const std::string& to) {
    ::rename(path.c_str(), mount_.path(to + path.substr(path.rfind('/'))).c_str());
  }

  const Mounted& mount_;
  const std::string name_;
  int count_ = 0;
  std::set<std::string> created_;
  std::set<std::string> removed_;
};

/// Another client: one thread.
class Neighbour : public Actor {
 public:
  Neighbour(const Dovecot& dovecot, std::uint64_t seed) : Actor(seed), client_(dovecot) {}

  void step() {
    const auto from = below(2);
    client_.command(std::string("SELECT ") + boxes.at(from));
    const auto uid = 1 + below(client_.ever(boxes.at(from)) + 1);
    if (below(2) == 0) client_.try_command("UID MOVE " + std::to_string(uid) + " " + boxes.at(1 - from));
    else client_.try_command("UID STORE " + std::to_string(uid) + (below(2) == 0 ? " +" : " -") + "FLAGS (\\Answered)");
  }

 private:
  OtherClient client_;
};

class TwoMounts : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    if (const auto reason = why_no_mount()) GTEST_SKIP() << *reason;
    dovecot_ = std::make_unique<Dovecot>(std::vector<std::string>{"--no-list-index"});
    other_ = std::make_unique<OtherClient>(*dovecot_);
    for (const auto* box : boxes) other_->command(std::string("CREATE ") + box);
    for (int number = 1; number <= messages; ++number)
      other_->append(boxes.at(static_cast<std::size_t>(number) % 2), with_crlf(message_of(std::to_string(number))));
    Mounted::Settings settings;
    settings.options = {"--on-delete=flag", "--refresh=1", "--poll=1", "--timeout=10"};
    for (auto& mount : mounts_) mount = std::make_unique<Mounted>(*dovecot_, settings);
  }
  void TearDown() override {
    for (const auto& mount : mounts_)
      if (HasFailure() && mount) std::fprintf(stderr, "--- log of a daemon ---\n%s\n", mount->log().c_str());
  }

  [[nodiscard]] Holdings held_by_server() {
    Holdings holdings;
    for (const auto* box : boxes)
      for (const auto& message : other_->living(box)) ++holdings[box][key_of(message.body)];
    return holdings;
  }
  [[nodiscard]] static Holdings held_by(const Mounted& mount) {
    Holdings holdings;
    for (const auto* box : boxes)
      for (const auto& name : names_in(mount.path(box)))
        ++holdings[box][key_of(read_file(mount.path(std::string(box) + "/" + name)))];
    return holdings;
  }
  /// What was accepted has ended. Refusals are told by fsync once each.
  [[nodiscard]] static bool drain(const Mounted& mount) {
    return eventually([&] {
      const int root = ::open(mount.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      const bool settled = root >= 0 && ::fsync(root) == 0;
      if (root >= 0) ::close(root);
      return settled;
    });
  }

  std::unique_ptr<Dovecot> dovecot_;
  std::unique_ptr<OtherClient> other_;
  std::array<std::unique_ptr<Mounted>, 2> mounts_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, TwoMounts, ::testing::ValuesIn(model::seeds({1, 2})),
                         ::testing::PrintToStringParamName());

TEST_P(TwoMounts, AndAnotherClientAtTheSameMessagesLoseNothingAndLive) {
  const auto steps = model::number_from("IMAPFS_MODEL_STEPS", 200);
  const std::array<pid_t, 2> daemons = {mounts_[0]->daemon_pid(), mounts_[1]->daemon_pid()};
  std::array<User, 2> users = {User(*mounts_[0], "a", GetParam() * 3), User(*mounts_[1], "b", GetParam() * 3 + 1)};
  Neighbour neighbour(*dovecot_, GetParam() * 3 + 2);
  const auto act = [steps](auto& actor) {
    return std::jthread([&actor, steps] {
      for (std::uint64_t i = 0; i < steps; ++i) actor.step();
    });
  };
  { const std::array<std::jthread, 3> threads = {act(users[0]), act(users[1]), act(neighbour)}; }
  std::set<std::string> perhaps_gone;
  std::set<std::string> wanted;
  for (int number = 1; number <= messages; ++number) wanted.insert(std::to_string(number));
  for (const auto& user : users) {
    wanted.insert(user.created().begin(), user.created().end());
    perhaps_gone.insert(user.removed().begin(), user.removed().end());
  }
  for (std::size_t i = 0; i < mounts_.size(); ++i) {
    EXPECT_TRUE(process_runs(daemons.at(i))) << "daemon " << i << " is dead";
    EXPECT_EQ(mounts_.at(i)->daemon_pid(), daemons.at(i));
    EXPECT_EQ(mounts_.at(i)->log().find("defect"), std::string::npos);
    ASSERT_TRUE(drain(*mounts_.at(i))) << "what was accepted does not end";
  }
  const auto held = held_by_server();
  for (const auto& key : wanted) {
    const bool there = std::any_of(held.begin(), held.end(), [&](const auto& box) { return box.second.contains(key); });
    EXPECT_TRUE(there || perhaps_gone.contains(key)) << key << " is lost\n" << text_of(held);
  }
  for (const auto& mount : mounts_) {
    Holdings shown;
    EXPECT_TRUE(eventually([&] { return (shown = held_by(*mount)) == held; })) << "the mount shows\n"
                                                                               << text_of(shown) << "the server holds\n"
                                                                               << text_of(held);
  }
}

}  // namespace
}  // namespace imapfs::testing
