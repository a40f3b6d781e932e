#include "host/base/error.h"

namespace drover {

Error cancelled_error(const std::string& operation) {
  return Error("async", "CANCELLED",
               operation.empty() || operation == "interrupted" ? (operation.empty() ? "cancelled" : "interrupted")
                                                               : "cancelled: " + operation)
      .during(operation);
}

}  // namespace drover
