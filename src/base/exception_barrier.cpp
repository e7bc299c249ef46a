#include "imapfs/base/exception_barrier.hpp"

#include <exception>

#include "imapfs/base/telemetry.hpp"

namespace imapfs {
namespace {

/// The report itself may throw, for lack of memory.
Result<void> report(std::string_view what, const char* thrown) noexcept {
  try {
    telemetry::error("defect: {}: unexpected exception: {}", telemetry::printable(what), telemetry::printable(thrown));
    return fail(EIO, Scope::request, Retry::never, "unexpected exception: {}", telemetry::printable(thrown));
  } catch (...) {
    return fail(Error{EIO, Scope::request, Retry::never, {}});
  }
}

}  // namespace

Result<void> run_contained(std::string_view what, const std::function<void()>& work) noexcept {
  try {
    work();
    return {};
  } catch (const std::exception& exception) {
    return report(what, exception.what());
  } catch (...) {
    return report(what, "no std::exception");
  }
}

}  // namespace imapfs
