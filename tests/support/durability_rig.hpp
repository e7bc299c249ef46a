#pragma once
// What the durability tests cut: operations of a user, each with what must be true of the server after a recovery, and
// a mount behind a proxy on which they are done.

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "fault_proxy.hpp"
#include "mounted.hpp"
#include "other_client.hpp"

namespace imapfs::testing {

class DurabilityRig;

/// Something a user does, to message or mailbox `number` of a rig.
struct DurableOperation {
  const char* name;
  /// Further options of the mount.
  std::vector<std::string> options;
  /// What is on the server before, for numbers below `count`.
  std::function<void(DurabilityRig&, int count)> prepare;
  /// Once the mount stands; may be empty.
  std::function<void(DurabilityRig&, int count)> arrange;
  /// Does it by system calls; errno.
  std::function<int(DurabilityRig&, int number)> perform;
  /// What is wrong on the server by now, given that the user was told `result`; empty: nothing.
  std::function<std::string(DurabilityRig&, int number, int result)> classify;
};

inline void PrintTo(const DurableOperation& operation, std::ostream* out) { *out << operation.name; }

/// A mount over a plain connection through a proxy, so that positions in the stream are those of the protocol. One
/// connection: the dialogue of an operation is the same each time.
class DurabilityRig {
 public:
  DurabilityRig(const Dovecot& dovecot, const DurableOperation& operation, const std::string& name, int count);

  // -- for operations --
  [[nodiscard]] std::string source() const { return name_ + "-from"; }
  [[nodiscard]] std::string destination() const { return name_ + "-to"; }
  [[nodiscard]] std::string mailbox(const std::string& kind, int number) const {
    return name_ + "-" + kind + std::to_string(number);
  }
  /// Absolute, below the mountpoint.
  [[nodiscard]] std::string path(const std::string& below) const { return mount_->path(below); }
  /// The name of message `number` of the source.
  [[nodiscard]] std::string file(int number) const { return files_.at(number); }
  [[nodiscard]] static std::string mail(int number, const std::string& text = "Hello.");
  /// Puts messages 0 … count - 1 into the source as another client.
  void put_messages(int count, const std::string& flags = "");
  OtherClient& other() { return other_; }
  struct Found {
    int living = 0;
    int flagged_deleted = 0;
    int starred = 0;    ///< \Flagged
    int rewritten = 0;  ///< living, with the new text
  };
  /// Messages with this number in a mailbox.
  Found find(const std::string& mailbox, int number);
  /// All of file `number` had been written before anything went wrong.
  void note_written(int number) { written_.insert(number); }
  [[nodiscard]] bool was_written(int number) const { return written_.contains(number); }
  bool has_mailbox(const std::string& name) { return other_.exists(name); }
  /// A file of this name is in the outbox.
  [[nodiscard]] bool in_outbox(const std::string& name) const;

  // -- for the tests --
  /// Connected, with the source selected for writing: what is sent next belongs to the operation.
  void warm();
  /// Until everything that was accepted has ended. False after half a minute.
  bool drain();
  /// Forgets what find() knows of the server.
  void look_again() { seen_.clear(); }
  /// What the mount lists and what the server holds, compared; empty if they agree.
  std::string disagreement();
  FaultProxy& proxy() { return proxy_; }
  Mounted& mount() { return *mount_; }

 private:
  /// The message that warm() uses.
  static constexpr int helper = -1;
  void list_files();

  std::string name_;
  FaultProxy proxy_;
  OtherClient other_;
  std::unique_ptr<Mounted> mount_;
  std::map<int, std::string> files_;
  std::map<std::string, std::map<int, Found>> seen_;
  std::set<int> written_;
  bool starred_ = false;
};

/// APPEND, COPY, MOVE, STORE, EXPUNGE, CREATE, RENAME and DELETE as users cause them.
std::vector<DurableOperation> durable_operations();

}  // namespace imapfs::testing
