// Shows how libvirt's job statistics become named fields.
#include "bindings/virt/job_fields.h"

#include <catch2/catch.hpp>

#include "tests/bindings/virt/libvirt_header.h"

using namespace drover::virt;

TEST_CASE("every job figure of libvirt's header has a name with its unit", "[virt]") {
  auto names = names_in_header("define VIR_DOMAIN_JOB_[A-Z_]+\\s+\"([^\"]+)\"");
  REQUIRE(names.size() >= 34);  // of 9.0.0
  for (const std::string& name : names) {
    INFO(name);
    CHECK(job_field_name(name) != nullptr);
  }
}

TEST_CASE("job figures keep their values, and the operation becomes a word", "[virt]") {
  TypedParameters list;
  virTypedParamsAddInt(&list.list, &list.count, &list.capacity, VIR_DOMAIN_JOB_OPERATION,
                       VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT);
  virTypedParamsAddULLong(&list.list, &list.count, &list.capacity, VIR_DOMAIN_JOB_MEMORY_REMAINING, 4096);
  virTypedParamsAddBoolean(&list.list, &list.count, &list.capacity, VIR_DOMAIN_JOB_SUCCESS, 1);
  virTypedParamsAddULLong(&list.list, &list.count, &list.capacity, "of_tomorrow", ~0ULL);
  auto fields = job_fields(list.list, list.count);
  CHECK(fields[0] == std::pair<std::string, Scalar>("operation", std::string("migration_out")));
  CHECK(fields[1] == std::pair<std::string, Scalar>("memory_remaining_bytes", int64_t{4096}));
  CHECK(fields[2] == std::pair<std::string, Scalar>("success", true));
  CHECK(fields[3] == std::pair<std::string, Scalar>("of_tomorrow", INT64_MAX));
}
