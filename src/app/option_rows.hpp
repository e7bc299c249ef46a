#pragma once
// The option table with what each option does. options.cpp reads the command line; this says what it means.

#include <string>
#include <string_view>
#include <vector>

#include "app/options.hpp"

namespace imapfs::app {

/// Options while they are read: with what can only be judged when all are known.
struct Draft {
  Options options;
  bool user_given = false;
  bool log_target_given = false;
  std::string insecure_consent;
};

enum class Value : std::uint8_t {
  none,  ///< a switch
  required,
  optional,  ///< a switch that may be given a value: only as name=value
};

struct OptionRow {
  OptionDescription description;
  char letter = 0;  ///< -f
  Value value = Value::none;
  /// `text` is empty for a switch. The Error says what is wrong with the value; the caller adds the name.
  Result<void> (*apply)(Draft& draft, const std::string& text) = nullptr;
};

const std::vector<OptionRow>& option_rows();

}  // namespace imapfs::app
