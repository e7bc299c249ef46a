#pragma once
// The real account with everybody who acts on it: a user on the mount, another client, and a network and daemon that
// fail. Every operation is done for real and in the reference.

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "reference.hpp"
#include "support/fault_proxy.hpp"
#include "support/mounted.hpp"
#include "support/other_client.hpp"

namespace imapfs::testing::model {

class World {
 public:
  explicit World(std::uint64_t seed);

  /// One random operation or fault.
  void step();
  /// Waits until everything that was accepted has ended, compares, and takes over what was found. What is wrong; empty:
  /// nothing.
  std::string checkpoint();
  /// What a step itself found wrong ("rmdir of a mailbox with mail succeeded"); empty: nothing.
  [[nodiscard]] const std::string& wrong() const { return wrong_; }
  /// The last steps, one a line.
  [[nodiscard]] std::string history() const;
  [[nodiscard]] std::string log() const { return read_file(mount_->path(".imapfs/status")) + "\n" + mount_->log(); }
  [[nodiscard]] std::size_t failures() const { return failures_; }

 private:
  // -- the user --
  void create();
  void rewrite();
  void rename_in_mailbox();
  void move();
  void move_over();
  void copy();
  void remove();
  void restore();
  void star();
  void make_mailbox();
  void remove_mailbox();
  void rename_mailbox();
  // -- the other client --
  void other_delivers();
  void other_moves();
  void other_flags_deleted();
  void other_expunges();
  // -- faults --
  void cut();
  void pause();
  void drop();
  void kill();

  // -- choosing --
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }
  std::string some_mailbox();
  /// A copy in `state` that is certain and that the user can name, or the other client may touch; null if there is
  /// none.
  Copy* for_user(Place::State state, bool intricate);
  Copy* for_other(Place::State state);
  [[nodiscard]] bool has_twin(const Copy& copy) const;
  void doubt_deleted_name(const std::string& mailbox, const std::string& name);
  std::string new_name() { return "m" + std::to_string(++names_) + ".eml"; }

  // -- telling --
  /// Notes a step and how it ended; returns whether it succeeded.
  bool done(const std::string& what, int error);
  /// The user has brought a copy to `after`; `error`: perhaps.
  static void user_brings(Copy& copy, const Place& after, int error);
  /// Every place below `from` is below `to` now; `sure` false: perhaps.
  void mailboxes_move(const std::string& from, const std::string& to, bool sure);

  // -- looking --
  void look_at_server();
  Census look_at_mount();
  std::set<std::string> mailboxes_of_server();
  std::string judge_mailboxes(const std::set<std::string>& found) const;
  std::string judge_names() const;
  std::string names_listed(const Place& place) const;
  std::string judge_stars() const;
  std::string judge_outbox();
  void adopt(const std::set<std::string>& mailboxes);
  void tidy_deleted();
  bool drain();
  [[nodiscard]] std::string path(const Copy& copy) const {
    return mount_->path(copy.place().mailbox + "/" + copy.name);
  }
  /// On the server now; 0: not there.
  std::uint32_t uid_of(const Place& place);

  std::mt19937_64 random_;
  std::unique_ptr<Dovecot> dovecot_;
  std::unique_ptr<OtherClient> other_;
  std::unique_ptr<FaultProxy> proxy_;
  std::unique_ptr<Mounted> mount_;
  Reference reference_;
  std::map<std::string, std::string> refused_uploads_;  ///< name and key: close(2) failed
  // What was seen last.
  Census living_;
  Census deleted_;
  std::map<std::pair<std::string, std::string>, std::vector<bool>> stars_;  ///< by mailbox and key
  std::map<std::string, std::map<std::string, std::string>> listed_;        ///< mailbox, name, key
  std::map<std::string, std::map<std::string, std::string>> listed_deleted_;
  std::vector<std::string> history_;
  std::string wrong_;
  int messages_ = 0;
  int names_ = 0;
  int mailboxes_ = 0;
  std::size_t failures_ = 0;
};

}  // namespace imapfs::testing::model
