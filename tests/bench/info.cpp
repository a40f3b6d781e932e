// info COUNT: nanoseconds of one virDomainGetInfo on test:///default, over COUNT calls in one process.
#include <libvirt/libvirt.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
  long count = std::atol(argv[1]);
  virConnectPtr connection = virConnectOpen("test:///default");
  virDomainPtr domain = connection != nullptr ? virDomainLookupByName(connection, "test") : nullptr;
  if (domain == nullptr) return 1;
  unsigned long long sum = 0;
  auto started = std::chrono::steady_clock::now();
  for (long i = 0; i < count; ++i) {
    virDomainInfo info;
    if (virDomainGetInfo(domain, &info) < 0) return 1;
    sum += info.state;
  }
  auto elapsed = std::chrono::steady_clock::now() - started;
  if (sum != static_cast<unsigned long long>(count) * VIR_DOMAIN_RUNNING) return 1;
  std::printf("%.1f\n", static_cast<double>(std::chrono::nanoseconds(elapsed).count()) / static_cast<double>(count));
  virDomainFree(domain);
  virConnectClose(connection);
  return 0;
}
