#pragma once
// Which characters a message's file name may hold. Pure functions, any thread.

namespace imapfs::mime {

/// Characters that are safe in terminals, paths and shell loops, and when copied to other file systems: letters, marks,
/// digits and symbols of every script; of ASCII only letters, digits and % + , - . = @ _.
[[nodiscard]] bool is_safe_in_name(char32_t character);

}  // namespace imapfs::mime
