#pragma once
// Which characters a message's file name may hold. Pure functions, any thread.

namespace imapfs::mime {

/// Safe for terminals, paths, shell loops and copies to other file systems: letters, marks, digits and symbols of every
/// script; of ASCII letters, digits and % + , - . = @ _ only.
[[nodiscard]] bool is_safe_in_name(char32_t character);

}  // namespace imapfs::mime
